"""Services take turns in a ringer, and none gets all of its slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from domain.runs.run import Outcome
from domain.targets.health.breaker import FAILURES, FIRST_REST
from domain.targets.kinds.http import HttpTarget
from tests.commands.firing import NOON, TARGET
from tests.workers.ringing import waiting_run
from workers.targets.answer import Answer
from workers.targets.limits.concurrency_limiter import SHARE, ConcurrencyLimiter
from workers.targets.limits.target_limiter import LONGEST_WAIT, SOON, TargetLimiter, TargetLimiters
from workers.worker.fair_queue import LATE_AT_ONCE, FairQueue

OTHER_TARGET = HttpTarget(url="https://other.example/run")
OK = Answer(outcome=Outcome.SUCCEEDED, status_code=200)
BROKEN = Answer(outcome=Outcome.FAILED, status_code=500)
BUSY = Answer(outcome=Outcome.FAILED, status_code=429, retry_after=timedelta(seconds=1))
SECOND = timedelta(seconds=1)


class Room:
    """What waits, its limiters and its slots."""

    def __init__(self, runs: Iterable[TakenRun], slots: int = 1_000) -> None:
        self.limiters = TargetLimiters()
        self.slots = ConcurrencyLimiter(slots)
        self.waiting = FairQueue(self.limiters, self.slots)
        self.put_off: list[tuple[TakenRun, timedelta]] = []
        for run in runs:
            self.waiting.add(run)

    def pop(self, limit: int = 100, *, at: float = 0) -> list[TakenRun]:
        now = NOON + timedelta(seconds=at)
        batch = self.waiting.pop(now, now, min(limit, self.slots.free))
        self.put_off += [(run, until - now) for run, until in self.waiting.take_overdue()]
        return batch

    def end(self, runs: Iterable[TakenRun], answer: Answer = OK, *, at: float = 0) -> None:
        now = NOON + timedelta(seconds=at)
        for run in runs:
            limiter = self.limiters.of(run)
            limiter.end(now, now, answer)
            self.slots.release(limiter.leases)
            self.waiting.freed(limiter)

    def limiter(self, service: int = 1, target: HttpTarget = TARGET) -> TargetLimiter:
        return self.limiters.to(UUID(int=service), target, NOON)

    def due_in(self) -> float | None:
        due = self.waiting.next_due()
        return None if due is None else (due - NOON).total_seconds()


def flood(size: int, *, service: int = 1, target: HttpTarget = TARGET) -> list[TakenRun]:
    first = service * 10_000 + (5_000 if target is OTHER_TARGET else 0)
    return [
        waiting_run(-n / 1_000, job=first + n, service=service, target=target) for n in range(size)
    ]


def by_service(runs: Iterable[TakenRun]) -> Counter[int]:
    return Counter(run.service_id.int for run in runs)


def open_breaker(limiter: TargetLimiter, *, at: float = 0) -> None:
    for _ in range(FAILURES):
        limiter.begin(NOON)
        limiter.end(NOON + timedelta(seconds=at), NOON + timedelta(seconds=at), BROKEN)


def test_a_flood_of_one_service_leaves_another_its_run_in_the_next_batch():
    other = waiting_run(0, service=2)
    room = Room([*flood(500), other])
    assert other in room.pop(2)
    assert by_service(room.pop(10)) == {1: 10}


def test_who_was_served_last_is_served_after_the_others():
    room = Room([run for service in (1, 2, 3) for run in flood(10, service=service)])
    assert sum((by_service(room.pop(2)) for _ in range(6)), Counter()) == {1: 4, 2: 4, 3: 4}


def test_of_a_backlog_services_take_turns_too():
    late = [waiting_run(-60 - n, job=n) for n in range(100)]
    other = waiting_run(-3_600, service=2)
    room = Room([*late, other])
    assert other in room.pop(2)


def test_targets_of_a_service_take_turns():
    room = Room([*flood(100), *flood(2, target=OTHER_TARGET)])
    assert sum(run.target == OTHER_TARGET for run in room.pop(4)) == 2


def test_slots_are_left_free_for_others_however_slow_a_services_targets_are():
    room = Room(flood(100), slots=90)
    ringing = room.pop()
    assert len(ringing) == 80
    assert room.due_in() is None  # it must not be looked at again and again
    other = waiting_run(0, service=2)
    room.waiting.add(other)
    assert room.pop() == [other]
    room.end(ringing[:1])
    assert by_service(room.pop()) == {1: 1}


@given(st.integers(1, 40), st.integers(1, 600))
def test_however_many_floods_there_are_a_newcomer_finds_a_slot(floods: int, size: int):
    services = range(1, floods + 1)
    runs = [run for service in services for run in flood(size // floods + 1, service=service)]
    room = Room(runs, slots=max(size // 2, floods * SHARE + 1))
    while room.pop():
        pass
    newcomer = waiting_run(0, service=floods + 1)
    room.waiting.add(newcomer)
    assert room.pop() == [newcomer]


def test_a_slot_that_one_service_leaves_is_seen_by_another_that_waits():
    room = Room(flood(9), slots=9)
    ringing = room.pop()
    rest = waiting_run(0, service=2)
    while room.slots.free:
        room.slots.lease(room.limiter(3).leases)
    room.waiting.add(rest)
    assert room.pop() == []
    room.end(ringing[:1])
    assert room.pop() == [rest]


def test_an_open_breaker_puts_off_its_target_and_no_other():
    room = Room([*flood(5), *flood(2, target=OTHER_TARGET)])
    open_breaker(room.limiter())
    assert [run.target for run in room.pop()] == [OTHER_TARGET] * 2
    assert len(room.put_off) == 5
    assert all(FIRST_REST <= wait <= LONGEST_WAIT for _, wait in room.put_off)
    assert len(room.waiting) == 0
    assert room.due_in() is None


def test_another_services_gate_to_the_same_target_is_its_own():
    other = waiting_run(0, service=2)
    room = Room([*flood(5), other])
    open_breaker(room.limiter())
    assert room.pop() == [other]


def test_one_probe_goes_through_when_the_rest_is_over_and_the_others_when_it_was_taken():
    room = Room([])
    open_breaker(room.limiter())
    for run in flood(3):
        room.waiting.add(run)
    at = FIRST_REST.total_seconds()
    (probe,) = room.pop(at=at)
    assert room.pop(at=at + 1) == []
    room.end([probe], at=at + 1)
    taken = room.pop(at=at + 1)
    assert len(taken) + len(room.put_off) + len(room.waiting) == 2
    assert taken or room.waiting.next_due() is not None


def test_a_short_wait_is_waited_here_and_is_not_looked_at_before_it_is_over():
    room = Room([waiting_run(0)])
    limiter = room.limiter()
    limiter.begin(NOON)
    limiter.end(NOON, NOON, BUSY)
    assert room.pop() == []
    assert room.put_off == []
    assert room.due_in() == 1
    assert room.pop(at=0.999) == []
    assert len(room.pop(at=1)) == 1


def test_of_a_slowed_target_no_more_wait_here_than_may_begin_soon():
    room = Room(flood(100))
    limiter = room.limiter()
    limiter.begin(NOON)
    limiter.end(NOON, NOON, Answer(outcome=Outcome.FAILED, status_code=429))
    assert limiter.pace.rate == 1
    began = room.pop()
    assert len(began) == 1  # it has one attempt at once
    assert len(room.waiting) == SOON // SECOND
    waits = sorted(wait for _, wait in room.put_off)
    assert len(waits) == 97
    assert waits[0] == SOON
    assert waits[-1] == LONGEST_WAIT
    assert waits == sorted(waits)


def test_a_job_whose_runs_take_turns_is_put_off_with_all_of_them():
    runs = [waiting_run(-n / 10, overlap=Overlap.SKIP) for n in range(3)]
    room = Room(runs)
    open_breaker(room.limiter())
    for _ in range(3):
        room.pop()
    assert {run.id for run, _ in room.put_off} == {run.id for run in runs}


def test_a_run_that_was_moved_to_another_target_does_not_stand_before_the_old_gate():
    room = Room([waiting_run(0)])
    open_breaker(room.limiter())
    moved = msgspec.structs.replace(waiting_run(0), target=OTHER_TARGET, job_version=2)
    room.waiting.add(moved)
    assert room.pop() == [moved]
    assert room.put_off == []


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.integers(-20, 20),
            st.integers(1, 3),
            st.sampled_from([TARGET, OTHER_TARGET]),
        ),
        st.tuples(st.just("pop"), st.integers(0, 20), st.integers(0, 5), st.just(None)),
        st.tuples(st.just("end"), st.sampled_from([OK, BUSY, BROKEN]), st.just(0), st.just(None)),
    ),
    max_size=80,
)


@given(STEPS)
def test_nothing_is_lost_and_in_the_end_all_is_rung_or_put_off(steps):
    room, ringing, added = Room([], slots=4), list[TakenRun](), set[UUID]()
    done, at = set[UUID](), 0.0
    for number, (what, first, second, third) in enumerate(steps):
        if what == "add":
            run = waiting_run(at + first / 10, job=number, service=second, target=third)
            added.add(run.id)
            room.waiting.add(run)
        elif what == "pop":
            at += first / 10
            ringing += room.pop(second, at=at)
        elif ringing:
            room.end([ringing[0]], first, at=at)
            done.add(ringing.pop(0).id)
        put_off = {run.id for run, _ in room.put_off}
        here = {run.id for run in room.waiting.runs}
        assert here | put_off | done | {run.id for run in ringing} == added
    for _ in range(200):  # all that rings is taken from now on
        room.end(ringing, at=at)
        done |= {run.id for run in ringing}
        due = room.due_in()
        if due is None:
            break
        at = max(at, due)
        ringing = room.pop(at=at)
    assert done | {run.id for run, _ in room.put_off} == added
    assert room.slots.free == 4
    assert all(limiter.under_way == 0 and not limiter.awaited for limiter in room.limiters)


def test_a_backlog_is_begun_in_small_batches():
    room = Room([waiting_run(-60 - n, job=n) for n in range(300)])
    assert len(room.pop(250)) == LATE_AT_ONCE
    on_time = [waiting_run(-n / 1_000, service=2, job=n) for n in range(240)]
    for run in on_time:
        room.waiting.add(run)
    batch = by_service(room.pop(250))
    assert batch[2] >= 250 - LATE_AT_ONCE
    assert sum(batch.values()) == 250
