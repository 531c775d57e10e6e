"""The formulas of a HorizontalPodAutoscaler, which KEDA makes of each ScaledObject.

Source: Kubernetes, "Horizontal Pod Autoscaling": algorithm details, configurable scaling behavior.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import msgspec

SYNC_SECONDS = 15
TOLERANCE = 0.1
"""So far from its target, up or down, a metric changes nothing."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many pods, or so many percent of them, more or fewer in so many seconds."""

    seconds: int
    pods: int = 0
    percent: int = 0

    def most(self, began_with: int) -> int:
        """Pods that may be added to those that were there when the period began, or taken."""
        return max(self.pods, math.ceil(began_with * self.percent / 100))


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """What the autoscaler may do; where nothing is said, the defaults of Kubernetes.

    Attributes:
        down_window: Seconds; the highest recommendation within them holds.
    """

    least: int
    most: int
    up: tuple[Policy, ...] = (Policy(seconds=15, percent=100), Policy(seconds=15, pods=4))
    down: tuple[Policy, ...] = (Policy(seconds=15, percent=100),)
    down_window: int = 300


def recommended(pods: int, ratio: float) -> int:
    """Pods that a metric asks for.

    Args:
        ratio: Of what is measured, a pod or all together as the metric says, to its target.
    """
    if abs(ratio - 1) <= TOLERANCE:
        return pods
    return math.ceil(pods * ratio)


class Autoscaler:
    """Decides every `SYNC_SECONDS`; remembers what it recommended and what it did."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.pods = behaviour.least
        self._recommended: deque[tuple[int, int]] = deque()
        self._changes: deque[tuple[int, int]] = deque()

    def decide(self, now: int, ratios: Iterable[float]) -> int:
        """Pods from now on; of several metrics, the one that asks for most counts.

        Args:
            now: Seconds since the day began.
            ratios: Of each metric, as for `recommended`.
        """
        asked = max(recommended(self.pods, ratio) for ratio in ratios)
        self._recommended.append((now, asked))
        while self._recommended[0][0] <= now - self._behaviour.down_window:
            self._recommended.popleft()
        if asked < self.pods:
            asked = min(self.pods, max(wanted for _, wanted in self._recommended))
        wanted = min(max(asked, self._least(now)), self._most(now))
        wanted = min(max(wanted, self._behaviour.least), self._behaviour.most)
        if wanted != self.pods:
            self._changes.append((now, wanted - self.pods))
            self.pods = wanted
        return self.pods

    def _most(self, now: int) -> int:
        return max(
            began + policy.most(began)
            for policy in self._behaviour.up
            for began in [self.pods - self._changed(now, policy.seconds, up=True)]
        )

    def _least(self, now: int) -> int:
        return min(
            began - policy.most(began)
            for policy in self._behaviour.down
            for began in [self.pods - self._changed(now, policy.seconds, up=False)]
        )

    def _changed(self, now: int, seconds: int, *, up: bool) -> int:
        return sum(by for at, by in self._changes if at > now - seconds and (by > 0) == up)
