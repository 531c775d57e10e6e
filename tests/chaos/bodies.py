"""Bodies of jobs: each kind of schedule and policy that the checks know how to judge."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.receiver import Receiver

Body = dict[str, Any]
PATIENT = {"window": 3_600, "coalesce": "all", "limit": 1_000}
GOOD, FAILING, BUSY, HANGING = range(4)
"""Ports of the receiver: what an origin suffers slows all of its runs."""


class Bodies:
    """Makes bodies whose targets lie at the receiver; each job has a path of its own."""

    def __init__(self, chance: random.Random, receiver: Receiver, prefix: str) -> None:
        self._chance = chance
        self._receiver = receiver
        self._prefix = prefix
        self._number = 0

    def standing(self) -> list[Body]:
        """The jobs that a service has from the start, one of each kind."""
        return [make(self) for make in KINDS]

    def any_standing(self) -> Body:
        """One of them, by chance."""
        return self._chance.choice(KINDS)(self)

    def one_shot(self, now: datetime) -> Body:
        """A job that fires once, soon."""
        soon = round(self._chance.uniform(0.0, 8.0), 3)
        if self._chance.random() < 0.5:
            return self._body({"after": soon}, "ok", overlap="allow_all", catchup=PATIENT)
        at = (now + timedelta(seconds=soon)).isoformat()
        return self._body({"at": at}, "ok", overlap="allow_all", catchup=PATIENT)

    def schedule(self) -> dict[str, Any]:
        """Another schedule, for an edit."""
        every = self._chance.randint(1, 4)
        return self._chance.choice(
            [
                {"every": every},
                {"every": every + 1, "phase": 1},
                {"cron": f"*/{every + 1} * * * * *"},
                {"every": every, "exclude": [{"every": 3 * every}]},
                {"every": 1, "max_runs": self._chance.randint(3, 20)},
            ]
        )

    def target(self) -> dict[str, Any]:
        """Another target, for an edit."""
        return self._target("ok", GOOD)

    def _body(
        self,
        schedule: dict[str, Any],
        behaviour: str,
        *,
        port: int = GOOD,
        retry: dict[str, Any] | None = None,
        timeout: float = 20.0,
        **fields: Any,
    ) -> Body:
        target = self._target(behaviour, port) | {"timeout": timeout}
        return {
            "name": self._name(),
            "schedule": schedule,
            "target": target,
            "retry": {"min_backoff": 0.5, "max_backoff": 2, "max_attempts": 6} | (retry or {}),
            **fields,
        }

    def _name(self) -> str:
        return f"{self._prefix}-{self._number}"

    def _target(self, behaviour: str, port: int) -> dict[str, Any]:
        self._number += 1
        kind, _, argument = behaviour.partition("/")
        path = f"/{kind}/{self._name()}" + (f"/{argument}" if argument else "")
        return {"type": "http", "url": self._receiver.url(port, path)}


def _overlapping(policy: str, every: int, seconds: Callable[[random.Random], float]) -> Any:
    def make(self: Bodies) -> Body:
        slow = f"slow/{seconds(self._chance):.3f}"
        return self._body({"every": every}, slow, overlap=policy)

    return make


def _plain(schedule: dict[str, Any], behaviour: str = "ok", **fields: Any) -> Any:
    def make(self: Bodies) -> Body:
        return self._body(schedule, behaviour, **fields)

    return make


def _long_exclusion(self: Bodies) -> Body:
    """Fifty minutes are excluded from the next minute but one on; the job goes on behind them."""
    first = (datetime.now(UTC).minute + 2) % 60
    minutes = ",".join(str((first + offset) % 60) for offset in range(50))
    schedule = {"every": 1, "exclude": [{"cron": f"* {minutes} * * * *"}]}
    return self._body(schedule, "ok", overlap="allow_all", catchup=PATIENT)


def _some_runs(self: Bodies) -> Body:
    schedule = {"every": 1, "max_runs": self._chance.randint(5, 30)}
    return self._body(schedule, "slow/0.9", overlap=self._chance.choice(["skip", "allow_all"]))


KINDS: tuple[Callable[[Bodies], Body], ...] = (
    _overlapping("skip", 1, lambda chance: chance.uniform(0.5, 1.6)),
    _overlapping("buffer_one", 2, lambda chance: chance.uniform(1.5, 2.5)),
    _overlapping("buffer_all", 2, lambda chance: chance.uniform(0.8, 1.5)),
    _overlapping("cancel_other", 3, lambda _: 6.0),
    _overlapping("cancel_other", 2, lambda chance: chance.uniform(1.985, 2.0)),
    _overlapping("terminate_other", 2, lambda chance: chance.uniform(1.5, 2.5)),
    _overlapping("allow_all", 3, lambda chance: chance.uniform(2.0, 4.0)),
    _plain({"every": 1}, overlap="allow_all", catchup=PATIENT),
    _plain({"cron": "*/3 * * * * *"}, overlap="allow_all", catchup=PATIENT),
    _plain({"cron": "5,17,31-34 * * * * *"}),
    _plain({"every": 3, "phase": 1}, "fail/2", port=FAILING, overlap="allow_all"),
    _plain({"every": 6}, "busy/1", port=BUSY, overlap="allow_all"),
    _plain({"every": 7}, "hang/1", port=HANGING, overlap="allow_all", timeout=2),
    _plain({"every": 8}, "fail/9", port=FAILING, overlap="allow_all", retry={"max_attempts": 2}),
    _plain({"every": 3}, "gone/8", overlap="allow_all"),
    _plain({"every": 2, "exclude": [{"every": 6}]}, overlap="allow_all", catchup=PATIENT),
    _plain({"every": 3, "jitter": 1}, overlap="allow_all", catchup=PATIENT),
    _plain({"every": 2}, overlap="buffer_all", catchup=PATIENT),
    _some_runs,
    _long_exclusion,
)
