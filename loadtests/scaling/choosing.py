"""Thresholds: those that hold the objective all day, and of these the ones that cost least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import yaml

from loadtests.scaling.autoscaler import Behaviour, Policy
from loadtests.scaling.day import Minute
from loadtests.scaling.deployments import Costs, Moment, api_day, worker_day

CPU_PERCENTS = (50, 60, 70, 80, 100, 120)
REQUEST_RATES = (250, 500, 750, 1_000)
MESSAGES = (1, 2, 4, 6)
OLDEST_SECONDS = (0.5, 1, 2, 5, 10)
LEAST_WORKERS = (2, 3, 4, 6)
"""How many wait for a minute's first instant decides how late its fires are: no scaling does."""


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    share: Of requests or fires.
    within: Seconds that these wait for a process at most.
    never: Seconds that none waits.
    """

    share: float
    within: float
    never: float


REQUESTS = Objective(share=0.99, within=0.005, never=5.0)
FIRES = Objective(share=0.95, within=5.0, never=30.0)


class Scaled(msgspec.Struct, frozen=True, kw_only=True):
    """What a ScaledObject says.

    Attributes:
        thresholds: Of its two triggers, in their order.
    """

    behaviour: Behaviour
    thresholds: tuple[float, float]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A day with some thresholds.

    Attributes:
        least: Pods that are there at any time.
        thresholds: As in the manifest.
        pod_hours: Of pods that served.
        waits: Seconds that the objective's share waited for a process at most.
        longest: Seconds that any waited.
        within_half: Share that waited no longer than half a second.
    """

    least: int
    thresholds: tuple[float, float]
    pod_hours: float
    most_pods: int
    waits: float
    longest: float
    within_half: float

    def holds(self, objective: Objective) -> bool:
        """Whether it was good enough."""
        return self.waits <= objective.within and self.longest <= objective.never


def outcome(
    least: int,
    thresholds: tuple[float, float],
    moments: Iterable[Moment],
    objective: Objective,
) -> Outcome:
    """Sum a day up."""
    waited: list[tuple[float, float]] = []
    pod_seconds = most = 0
    for moment in moments:
        waited.append((moment.waits, moment.load))
        pod_seconds += moment.ready
        most = max(most, moment.ready)
    waited.sort()
    return Outcome(
        least=least,
        thresholds=thresholds,
        pod_hours=pod_seconds / 3_600,
        most_pods=most,
        waits=_quantile(waited, objective.share),
        longest=waited[-1][0],
        within_half=_share_within(waited, 0.5),
    )


def api_outcome(day: Sequence[Minute], costs: Costs, scaled: Scaled) -> Outcome:
    """A day of the API with these thresholds."""
    percent, rate = scaled.thresholds
    moments = api_day(day, costs, scaled.behaviour, cpu_percent=percent, rate=rate)
    return outcome(scaled.behaviour.least, scaled.thresholds, moments, REQUESTS)


def worker_outcome(day: Sequence[Minute], costs: Costs, scaled: Scaled) -> Outcome:
    """A day of the workers with these thresholds."""
    messages, oldest = scaled.thresholds
    moments = worker_day(day, costs, scaled.behaviour, messages=messages, oldest=oldest)
    return outcome(scaled.behaviour.least, scaled.thresholds, moments, FIRES)


def api_candidates(scaled: Scaled) -> Iterator[Scaled]:
    """What the manifest might say of the API."""
    for thresholds in product(CPU_PERCENTS, REQUEST_RATES):
        yield msgspec.structs.replace(scaled, thresholds=thresholds)


def worker_candidates(scaled: Scaled) -> Iterator[Scaled]:
    """What the manifest might say of the workers."""
    for least, *thresholds in product(LEAST_WORKERS, MESSAGES, OLDEST_SECONDS):
        behaviour = msgspec.structs.replace(scaled.behaviour, least=least)
        yield Scaled(behaviour=behaviour, thresholds=(thresholds[0], thresholds[1]))


def chosen(outcomes: Iterable[Outcome], objective: Objective) -> Outcome | None:
    """Of those that hold the objective the cheapest; of these, what is least easily excited."""

    def order(one: Outcome) -> tuple[float, float, tuple[float, ...]]:
        return round(one.pod_hours, 1), round(one.waits, 3), tuple(-at for at in one.thresholds)

    return min((one for one in outcomes if one.holds(objective)), key=order, default=None)


def read_scaled(path: Path) -> dict[str, Scaled]:
    """What the manifest says of each scaled Deployment."""
    scaled = yaml.safe_load_all(path.read_text())
    return {one["spec"]["scaleTargetRef"]["name"]: _read(one["spec"]) for one in scaled}


def _read(spec: dict[str, Any]) -> Scaled:
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behaviour.get("scaleUp", {}), behaviour.get("scaleDown", {})
    defaults = Behaviour(least=spec["minReplicaCount"], most=spec["maxReplicaCount"])
    metadata = [trigger["metadata"] for trigger in spec["triggers"]]
    first, second = (float(one.get("threshold") or one["value"]) for one in metadata)
    read = msgspec.structs.replace(
        defaults,
        up=_policies(up) or defaults.up,
        down=_policies(down) or defaults.down,
        down_window=down.get("stabilizationWindowSeconds", defaults.down_window),
    )
    return Scaled(behaviour=read, thresholds=(first, second))


def _policies(rules: dict[str, Any]) -> tuple[Policy, ...]:
    return tuple(
        Policy(seconds=rule["periodSeconds"], **{rule["type"].lower(): rule["value"]})
        for rule in rules.get("policies", ())
    )


def _quantile(waited: list[tuple[float, float]], share: float) -> float:
    wanted = share * sum(load for _, load in waited)
    for waits, load in waited:
        wanted -= load
        if wanted <= 0:
            return waits
    return waited[-1][0]


def _share_within(waited: list[tuple[float, float]], seconds: float) -> float:
    return sum(load for waits, load in waited if waits <= seconds) / sum(load for _, load in waited)
