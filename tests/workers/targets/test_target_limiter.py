"""TargetLimiters are kept while they are of use, and tell what they know."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from domain.runs.run import Outcome
from domain.targets.health.breaker import FAILURES, BreakerState
from domain.targets.kinds.http import HttpTarget
from storage.redis.target_status import published_status
from storage.shards import Shards
from tests.commands.firing import NOON, TARGET
from workers.targets.answer import Answer
from workers.targets.limits.target_limiter import SEEN_FOR, TargetLimiters
from workers.targets.limits.target_status_publisher import REPUBLISH_AFTER, TargetStatusPublisher

SERVICE = UUID(int=1)
SECOND = timedelta(seconds=1)
OK = Answer(outcome=Outcome.SUCCEEDED, status_code=200)
GONE = SEEN_FOR + SECOND


def target(number: int) -> HttpTarget:
    return HttpTarget(url=f"https://target-{number}.example/run")


def rung(limiters: TargetLimiters, to: HttpTarget, now=NOON, answer: Answer = OK) -> None:
    limiter = limiters.to(SERVICE, to, now)
    limiter.begin(now)
    limiter.end(now, now, answer)


def test_a_target_that_was_not_rung_for_long_is_forgotten():
    limiters = TargetLimiters()
    rung(limiters, target(1))
    rung(limiters, target(2), NOON + 2 * SECOND)
    limiters.forget(NOON + GONE)
    assert [limiter.reached.name for limiter in limiters] == ["https://target-2.example"]
    limiters.forget(NOON + 2 * GONE)
    assert len(limiters) == 0


def test_what_rings_or_is_waited_for_is_not_forgotten():
    limiters = TargetLimiters()
    ringing, awaited = limiters.to(SERVICE, target(1), NOON), limiters.to(SERVICE, target(2), NOON)
    ringing.begin(NOON)
    awaited.awaited = True
    limiters.forget(NOON + GONE)
    assert list(limiters) == [ringing, awaited]


def test_of_too_many_the_oldest_are_forgotten_sooner():
    limiters = TargetLimiters(most=3)
    for number in (4, 0, 3, 1, 2):
        rung(limiters, target(number), NOON + number * SECOND)
    limiters.forget(NOON + 9 * SECOND)
    names = sorted(limiter.reached.name for limiter in limiters)
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
    limiters = TargetLimiters()
    for _ in range(FAILURES):
        rung(limiters, TARGET, answer=answer)
    limiter = limiters.to(SERVICE, TARGET, NOON)
    assert limiter.breaker.state == state
    assert limiter.under_way == 0


def test_no_more_begin_than_the_rate_allows():
    limiter = TargetLimiters().to(SERVICE, TARGET, NOON)
    limiter.begin(NOON)
    for _ in range(19):
        limiter.begin(NOON)
    limiter.end(NOON, NOON, Answer(outcome=Outcome.FAILED, status_code=429))
    for _ in range(19):
        limiter.withdraw()
    assert limiter.pace.rate == 10
    began, now = 0, NOON + 10 * SECOND
    for step in range(10_000):  # ten seconds
        if limiter.admits(now + step * SECOND / 1_000):
            limiter.begin(now + step * SECOND / 1_000)
            limiter.withdraw()
            began += 1
    assert 100 <= began <= 102


async def test_services_whose_targets_were_rung_are_told_of_and_all_now_and_then(quiet: Shards):
    shard, limiters, neighbour = quiet.all()[0], TargetLimiters(), uuid4()
    publisher = TargetStatusPublisher(shard, uuid4(), limiters)
    rung(limiters, TARGET)
    limiters.to(neighbour, TARGET, NOON)  # nothing rang there
    await publisher.publish(NOON)
    (told,) = await published_status(shard.redis, SERVICE, NOON)
    assert (told.name, told.state, told.under_way) == (
        "https://example.com",
        BreakerState.CLOSED,
        0,
    )
    assert await published_status(shard.redis, neighbour, NOON) == []
    late = NOON + 60 * SECOND
    await publisher.publish(NOON + REPUBLISH_AFTER - SECOND)
    assert await published_status(shard.redis, SERVICE, late) == []
    await publisher.publish(NOON + REPUBLISH_AFTER)
    assert len(await published_status(shard.redis, SERVICE, late)) == 1
