"""What this worker process knows of the targets that it rings, and what it lets through to each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client import Counter

from commands.take_runs import TakenRun
from domain.breaker import CLOSED, BreakerState
from domain.ids import EPOCH
from domain.pace import BURST, FULL, MAX_CONCURRENCY, MAX_RATE
from domain.strain import strain_of
from domain.target_view import BUCKET_SECONDS, BUCKETS, Minute, TargetView
from domain.targets import Reached, Target, reached_by
from workers.targets.answer import Answer
from workers.targets.limits.concurrency_limiter import Holder

OPENED = Counter("tocsin_opened_breakers_total", "Times that a target's circuit breaker opened.")

SOON = timedelta(seconds=2)
"""What can begin within so long waits in this process, and the rest in Postgres."""
LONGEST_WAIT = timedelta(minutes=1)
"""Then a run comes back to see how its target fares."""
SEEN_FOR = timedelta(minutes=10)
"""A target that was not rung for so long is forgotten, and then begins anew."""
MAX_GATES = 20_000
"""Beyond it, the targets that were not rung for longest are forgotten sooner."""
_SECOND = timedelta(seconds=1)


class Gate:
    """One target of one service, as seen from here."""

    __slots__ = (
        "awaited",
        "begun",
        "begun_before",
        "breaker",
        "changed",
        "easy",
        "holder",
        "minutes",
        "next_at",
        "pace",
        "reached",
        "second",
        "seen_at",
        "under_way",
    )

    def __init__(self, holder: Holder, reached: Reached, now: datetime) -> None:
        self.holder = holder
        self.reached = reached
        self.breaker = CLOSED
        self.pace = FULL
        self.easy = True  # neither slowed nor broken, as nearly all are
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
        """When an attempt may begin: `now`, later, or None, which is when another one ends."""
        if self.under_way >= self.pace.concurrency or self.breaker.state is BreakerState.HALF_OPEN:
            return None
        # A breaker that was closed has no instant at which it opens.
        return max(now, self.next_at, self.pace.resumes_at or now, self.breaker.probe_at or now)

    @property
    def was_rung(self) -> bool:
        """Whether there is anything to tell of it."""
        return bool(self.under_way or self.minutes)

    @property
    def view(self) -> TargetView:
        """What is told of it."""
        return TargetView(
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
        """How many attempts a second it takes as far as is known."""
        return self.pace.rate or MAX_RATE

    def places(self, now: datetime) -> int:
        """How many attempts may begin soon, as far as can be told."""
        opens_at = self.opens_at(now) or now
        return max(int((now + SOON - opens_at) / _SECOND * self.rate), 0)

    def opens_for(self, place: int, now: datetime) -> datetime:
        """When an attempt may begin before which so many others will."""
        opens_at = self.opens_at(now) or now
        wait = opens_at - now + timedelta(seconds=place / self.rate)
        return now + min(max(wait, SOON), LONGEST_WAIT)

    def begin(self, now: datetime) -> None:
        """Let an attempt through that it admits."""
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
        """An attempt that was let through was not made, or tells nothing."""
        self.under_way -= 1
        self.changed = True
        self.breaker = self.breaker.withdrawn()

    def end(self, now: datetime, began_at: datetime, answer: Answer) -> None:
        """Learn from an attempt that was let through and has ended."""
        strain = strain_of(answer.outcome, answer.status_code, at_fault=answer.at_fault)
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
        """Count a run that had to wait elsewhere."""
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
            self._slow_down(now, began_at, None)  # once it closes, it is quickened bit by bit

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


class Gates:
    """The gates of a worker process: limits hold for each process by itself."""

    def __init__(self) -> None:
        self._gates: dict[tuple[UUID, Reached], Gate] = {}
        self._holders: dict[UUID, Holder] = {}

    def __iter__(self) -> Iterator[Gate]:
        return iter(self._gates.values())

    def __len__(self) -> int:
        return len(self._gates)

    def of(self, run: TakenRun) -> Gate:
        """The gate to a run's target."""
        return self.to(run.service_id, run.target, run.due_at)

    def to(self, service_id: UUID, target: Target, now: datetime) -> Gate:
        """The gate to a service's target; a new one is open."""
        reached = reached_by(target)
        key = (service_id, reached)
        gate = self._gates.get(key)
        if gate is None:
            holder = self._holders.setdefault(service_id, Holder(service_id))
            gate = self._gates[key] = Gate(holder, reached, now)
        return gate

    def forget(self, now: datetime) -> None:
        """Forget targets that were not rung for long, and nobody waits for."""
        idle = [gate for gate in self._gates.values() if not gate.under_way and not gate.awaited]
        idle.sort(key=lambda gate: gate.seen_at)
        too_many = max(len(self._gates) - MAX_GATES, 0)
        for place, gate in enumerate(idle):
            if place >= too_many and gate.seen_at >= now - SEEN_FOR:
                break
            del self._gates[gate.holder.service_id, gate.reached]
        in_use = {gate.holder for gate in self._gates.values()}
        self._holders = {one.service_id: one for one in in_use}
