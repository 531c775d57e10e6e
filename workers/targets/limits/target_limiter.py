"""How many attempts a worker process lets through to each target, judged by the target's health."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client import Counter

from commands.firing.take_runs import TakenRun
from domain.ids import EPOCH
from domain.targets import Reached, Target, reached_by
from domain.targets.health.breaker import CLOSED, BreakerState
from domain.targets.health.health_signal import signal_of
from domain.targets.health.rate_control import BURST, FULL, MAX_CONCURRENCY, MAX_RATE
from domain.targets.health.target_status import BUCKET_SECONDS, BUCKETS, Minute, TargetStatus
from workers.targets.answer import Answer
from workers.targets.limits.concurrency_limiter import ServiceLeases

OPENED = Counter("tocsin_opened_breakers_total", "Times that a target's circuit breaker opened.")

SOON = timedelta(seconds=2)
"""A run that may begin within 2 s waits in this process; others are deferred in Postgres."""
LONGEST_WAIT = timedelta(minutes=1)
"""A deferred run comes back after 1 min at most, to see how its target fares."""
SEEN_FOR = timedelta(minutes=10)
"""The limiter of a target that was not rung for 10 min is forgotten; a new one starts open."""
MAX_LIMITERS = 20_000
"""Beyond 20,000 limiters, those of the targets that were rung longest ago are forgotten."""
_SECOND = timedelta(seconds=1)


class TargetLimiter:
    """The limits of one target of one service, as this process sees it."""

    __slots__ = (
        "awaited",
        "begun",
        "begun_before",
        "breaker",
        "changed",
        "easy",
        "leases",
        "minutes",
        "next_at",
        "pace",
        "reached",
        "second",
        "seen_at",
        "under_way",
    )

    def __init__(self, leases: ServiceLeases, reached: Reached, now: datetime) -> None:
        self.leases = leases
        self.reached = reached
        self.breaker = CLOSED
        self.pace = FULL
        self.easy = True  # neither slowed nor broken, like nearly all targets
        self.under_way = 0
        self.awaited = False
        self.changed = False
        self.next_at = EPOCH
        self.seen_at = now
        self.second = self.begun = self.begun_before = 0
        self.minutes: deque[Minute] = deque(maxlen=BUCKETS)

    def admits(self, now: datetime) -> bool:
        """Whether an attempt may begin now."""
        if self.easy:
            return self.under_way < MAX_CONCURRENCY
        opens_at = self.opens_at(now)
        return opens_at is not None and opens_at <= now

    def opens_at(self, now: datetime) -> datetime | None:
        """When an attempt may begin: `now` or later, or None if another attempt must end first."""
        if self.under_way >= self.pace.concurrency or self.breaker.state is BreakerState.HALF_OPEN:
            return None
        # A breaker that never opened has no `probe_at`.
        return max(now, self.next_at, self.pace.resumes_at or now, self.breaker.probe_at or now)

    @property
    def was_rung(self) -> bool:
        """Whether there is anything to publish."""
        return bool(self.under_way or self.minutes)

    @property
    def view(self) -> TargetStatus:
        """What is published of the target."""
        return TargetStatus(
            kind=self.reached.kind,
            name=self.reached.name,
            state=self.breaker.state,
            under_way=self.under_way,
            concurrency=self.pace.concurrency,
            rate=self.pace.rate,
            failures=self.breaker.failures,
            opened_at=self.breaker.opened_at,
            probe_at=self.breaker.probe_at,
            seen_at=self.seen_at,
            minutes=list(self.minutes),
        )

    @property
    def rate(self) -> float:
        """Attempts a second that the target takes, as far as is known."""
        return self.pace.rate or MAX_RATE

    def attempts_soon(self, now: datetime) -> int:
        """About how many attempts may begin within `SOON`."""
        opens_at = self.opens_at(now) or now
        return max(int((now + SOON - opens_at) / _SECOND * self.rate), 0)

    def opens_for(self, ahead: int, now: datetime) -> datetime:
        """When an attempt may begin that has `ahead` others before it."""
        opens_at = self.opens_at(now) or now
        wait = opens_at - now + timedelta(seconds=ahead / self.rate)
        return now + min(max(wait, SOON), LONGEST_WAIT)

    def begin(self, now: datetime) -> None:
        """Count an attempt that begins; the limiter admits it."""
        self.under_way += 1
        self.seen_at = now
        self.changed = True
        second = (now - EPOCH).seconds
        if second != self.second:
            self.begun_before = self.begun if second == self.second + 1 else 0
            self.second, self.begun = second, 0
        self.begun += 1
        if not self.easy:
            self.breaker = self.breaker.began()
            if self.pace.rate is not None:
                interval = timedelta(seconds=1 / self.pace.rate)
                self.next_at = max(self.next_at, now - BURST) + interval

    def withdraw(self) -> None:
        """Discount an attempt that was not made, or says nothing about the target."""
        self.under_way -= 1
        self.changed = True
        self.breaker = self.breaker.withdrawn()

    def end(self, now: datetime, began_at: datetime, answer: Answer) -> None:
        """Adapt the limits to an attempt that ended."""
        strain = signal_of(answer.outcome, answer.status_code, at_fault=answer.at_fault)
        if strain is None:
            self.withdraw()
            return
        self.under_way -= 1
        self.seen_at = now
        self.changed = True
        minute = self._minute(now)
        if not (strain.slow or strain.broken):
            minute.answered += 1
            if not self.easy:
                self._ease(began_at)
            elif self.breaker is not CLOSED:
                self.breaker = CLOSED
            return
        minute.failed += 1
        if strain.broken:
            self._fail(now, began_at)
        else:
            self.breaker = self.breaker.answered(began_at)
        if strain.slow:
            self._slow_down(now, began_at, answer.retry_after)
        self._note_ease()

    def deferred(self, now: datetime) -> None:
        """Count a run that was deferred."""
        self._minute(now).deferred += 1
        self.changed = True

    def _ease(self, began_at: datetime) -> None:
        self.pace = self.pace.quickened()
        self.breaker = self.breaker.answered(began_at)
        self._note_ease()

    def _fail(self, now: datetime, began_at: datetime) -> None:
        before, self.breaker = self.breaker, self.breaker.failed(now, began_at)
        if self.breaker.probe_at != before.probe_at:
            OPENED.inc()
            self._slow_down(now, began_at, None)  # when it closes, the rate grows step by step

    def _slow_down(self, now: datetime, began_at: datetime, retry_after: timedelta | None) -> None:
        self.pace = self.pace.slowed(
            now,
            began_at=began_at,
            under_way=self.under_way + 1,
            recent_rate=float(max(self.begun, self.begun_before)),
            retry_after=retry_after,
        )

    def _note_ease(self) -> None:
        self.easy = self.pace.rate is None and self.breaker.state is BreakerState.CLOSED

    def _minute(self, now: datetime) -> Minute:
        bucket = int(now.timestamp()) // BUCKET_SECONDS
        if not self.minutes or self.minutes[-1].bucket != bucket:
            self.minutes.append(Minute(bucket=bucket))
        return self.minutes[-1]


class TargetLimiters:
    """All limiters of a worker process; every process limits by itself.

    Args:
        most: Limiters to remember.
    """

    def __init__(self, most: int = MAX_LIMITERS) -> None:
        self._most = most
        self._all: dict[tuple[UUID, Reached], TargetLimiter] = {}
        self._leases: dict[UUID, ServiceLeases] = {}

    def __iter__(self) -> Iterator[TargetLimiter]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def of(self, run: TakenRun) -> TargetLimiter:
        """The limiter of a run's target."""
        return self.to(run.service_id, run.target, run.due_at)

    def to(self, service_id: UUID, target: Target, now: datetime) -> TargetLimiter:
        """The limiter of a service's target; a new one is open."""
        reached = reached_by(target)
        key = (service_id, reached)
        limiter = self._all.get(key)
        if limiter is None:
            leases = self._leases.setdefault(service_id, ServiceLeases(service_id))
            limiter = self._all[key] = TargetLimiter(leases, reached, now)
        return limiter

    def forget(self, now: datetime) -> None:
        """Forget targets that were rung long ago and have no queued run."""
        idle = [
            limiter
            for limiter in self._all.values()
            if not limiter.under_way and not limiter.awaited
        ]
        idle.sort(key=lambda limiter: limiter.seen_at)
        too_many = max(len(self._all) - self._most, 0)
        for position, limiter in enumerate(idle):
            if position >= too_many and limiter.seen_at >= now - SEEN_FOR:
                break
            del self._all[limiter.leases.service_id, limiter.reached]
        in_use = {limiter.leases for limiter in self._all.values()}
        self._leases = {one.service_id: one for one in in_use}
