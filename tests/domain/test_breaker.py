"""A breaker opens after failures in a row, and closes after a probe that the target takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.targets.health.breaker import (
    CLOSED,
    FAILURES,
    FIRST_REST,
    LONGEST_REST,
    Breaker,
    BreakerState,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failing(times: int, breaker: Breaker = CLOSED, now: datetime = NOON) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(now, now)
    return breaker


def probed(breaker: Breaker, *, taken: bool) -> Breaker:
    """A probe at the first instant at which it may be made."""
    assert breaker.probe_at is not None
    assert breaker.admits(breaker.probe_at)
    began = breaker.began()
    now = breaker.probe_at
    return began.answered(now) if taken else began.failed(now + SECOND, now)


def test_it_opens_after_so_many_failures_in_a_row_and_not_before():
    assert failing(FAILURES - 1).state is BreakerState.CLOSED
    opened = failing(FAILURES)
    assert opened.state is BreakerState.OPEN
    assert (opened.opened_at, opened.probe_at) == (NOON, NOON + FIRST_REST)


def test_an_answer_in_between_begins_the_row_anew():
    breaker = failing(FAILURES - 1).answered(NOON)
    assert failing(FAILURES - 1, breaker).state is BreakerState.CLOSED


def test_while_it_is_open_nothing_is_let_through_until_the_rest_is_over():
    opened = failing(FAILURES)
    assert not opened.admits(NOON + FIRST_REST - SECOND / 1_000)
    assert opened.admits(NOON + FIRST_REST)


def test_one_probe_at_a_time():
    probing = failing(FAILURES).began()
    assert probing.state is BreakerState.HALF_OPEN
    assert not probing.admits(NOON + LONGEST_REST * 10)


def test_a_probe_that_was_never_made_lets_the_next_one_through():
    opened = failing(FAILURES)
    withdrawn = opened.began().withdrawn()
    assert withdrawn.admits(NOON + FIRST_REST)


def test_a_probe_that_is_taken_closes_it():
    assert probed(failing(FAILURES), taken=True) == CLOSED


def test_each_rest_is_twice_as_long_as_the_one_before_up_to_the_longest():
    breaker, rests = failing(FAILURES), [FIRST_REST]
    for _ in range(9):
        breaker = probed(breaker, taken=False)
        assert breaker.opened_at == NOON
        rests.append(breaker.rest)
    assert rests == [min(FIRST_REST * 2**n, LONGEST_REST) for n in range(10)]


def test_what_began_before_it_opened_neither_closes_it_nor_prolongs_the_rest():
    opened = failing(FAILURES, now=NOON)
    assert opened.answered(NOON - SECOND) == opened
    assert opened.failed(NOON + SECOND, NOON - SECOND).probe_at == opened.probe_at


EVENTS = st.lists(st.tuples(st.sampled_from(["fail", "answer", "withdraw"]), st.integers(0, 90)))


@given(EVENTS)
def test_it_always_recovers_and_never_rests_longer_than_the_longest(events):
    breaker, now = CLOSED, NOON
    for event, seconds in events:
        now += seconds * SECOND
        if not breaker.admits(now):
            assert breaker.probe_at is not None
            assert now < breaker.probe_at <= now + LONGEST_REST
            continue
        began = breaker.began()
        breaker = {
            "fail": began.failed(now, now),
            "answer": began.answered(now),
            "withdraw": began.withdrawn(),
        }[event]
        assert breaker.state is not BreakerState.HALF_OPEN
        assert (breaker.state is BreakerState.CLOSED) == (breaker.opened_at is None)
        if event == "answer":
            assert breaker == CLOSED
    assert breaker.admits(now + LONGEST_REST)
