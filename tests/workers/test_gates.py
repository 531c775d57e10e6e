"""Gates are kept while they are of use, and tell what they know."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.breaker import FAILURES, BreakerState
from domain.run import Outcome
from domain.targets.http import HttpTarget
from storage.shards import Shards
from storage.target_views import told_of
from tests.commands.firing import NOON, TARGET
from workers.targets.answer import Answer
from workers.targets.limits.target_limiter import SEEN_FOR, Gates
from workers.targets.limits.target_status_publisher import TELL_AGAIN, Teller

SERVICE = UUID(int=1)
SECOND = timedelta(seconds=1)
OK = Answer(outcome=Outcome.SUCCEEDED, status_code=200)
GONE = SEEN_FOR + SECOND


def target(number: int) -> HttpTarget:
    return HttpTarget(url=f"https://target-{number}.example/run")


def rung(gates: Gates, to: HttpTarget, now=NOON, answer: Answer = OK) -> None:
    gate = gates.to(SERVICE, to, now)
    gate.begin(now)
    gate.end(now, now, answer)


def test_a_target_that_was_not_rung_for_long_is_forgotten():
    gates = Gates()
    rung(gates, target(1))
    rung(gates, target(2), NOON + 2 * SECOND)
    gates.forget(NOON + GONE)
    assert [gate.reached.name for gate in gates] == ["https://target-2.example"]
    gates.forget(NOON + 2 * GONE)
    assert len(gates) == 0


def test_what_rings_or_is_waited_for_is_not_forgotten():
    gates = Gates()
    ringing, awaited = gates.to(SERVICE, target(1), NOON), gates.to(SERVICE, target(2), NOON)
    ringing.begin(NOON)
    awaited.awaited = True
    gates.forget(NOON + GONE)
    assert list(gates) == [ringing, awaited]


def test_of_too_many_the_oldest_are_forgotten_sooner(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("workers.targets.limits.target_limiter.MAX_GATES", 3)
    gates = Gates()
    for number in (4, 0, 3, 1, 2):
        rung(gates, target(number), NOON + number * SECOND)
    gates.forget(NOON + 9 * SECOND)
    names = sorted(gate.reached.name for gate in gates)
    assert names == [f"https://target-{number}.example" for number in (2, 3, 4)]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(outcome=Outcome.FAILED, status_code=500), "open"),
        (Answer(outcome=Outcome.TIMED_OUT), "open"),
        (Answer(outcome=Outcome.FAILED, at_fault=True), "open"),
        (Answer(outcome=Outcome.FAILED, status_code=429), "closed"),
        (Answer(outcome=Outcome.FAILED, status_code=404), "closed"),
        (Answer(outcome=Outcome.FAILED), "closed"),
        (Answer(outcome=Outcome.ABANDONED), "closed"),
    ],
)
def test_what_counts_as_a_failure_of_the_target(answer: Answer, state: str):
    gates = Gates()
    for _ in range(FAILURES):
        rung(gates, TARGET, answer=answer)
    gate = gates.to(SERVICE, TARGET, NOON)
    assert gate.breaker.state == state
    assert gate.under_way == 0


def test_no_more_begin_than_the_rate_allows():
    gate = Gates().to(SERVICE, TARGET, NOON)
    gate.begin(NOON)
    for _ in range(19):
        gate.begin(NOON)
    gate.end(NOON, NOON, Answer(outcome=Outcome.FAILED, status_code=429))
    for _ in range(19):
        gate.withdraw()
    assert gate.pace.rate == 10
    began, now = 0, NOON + 10 * SECOND
    for step in range(10_000):  # ten seconds
        if gate.admits(now + step * SECOND / 1_000):
            gate.begin(now + step * SECOND / 1_000)
            gate.withdraw()
            began += 1
    assert 100 <= began <= 102


async def test_services_whose_targets_were_rung_are_told_of_and_all_now_and_then(quiet: Shards):
    shard, gates, neighbour = quiet.all()[0], Gates(), uuid4()
    teller = Teller(shard, uuid4(), gates)
    rung(gates, TARGET)
    gates.to(neighbour, TARGET, NOON)  # nothing rang there
    await teller.tell(NOON)
    (told,) = await told_of(shard.redis, SERVICE, NOON)
    assert (told.name, told.state, told.under_way) == (
        "https://example.com",
        BreakerState.CLOSED,
        0,
    )
    assert await told_of(shard.redis, neighbour, NOON) == []
    late = NOON + 60 * SECOND
    await teller.tell(NOON + TELL_AGAIN - SECOND)
    assert await told_of(shard.redis, SERVICE, late) == []
    await teller.tell(NOON + TELL_AGAIN)
    assert len(await told_of(shard.redis, SERVICE, late)) == 1
