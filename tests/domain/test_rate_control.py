"""A target is slowed by what is too much for it, and quickened by what it takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.targets.health.rate_control import (
    FULL,
    LONGEST_REST,
    MAX_CONCURRENCY,
    MAX_RATE,
    MIN_CONCURRENCY,
    MIN_RATE,
    RateControl,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

STEPS = st.lists(
    st.one_of(
        st.just(None),
        st.tuples(
            st.integers(-30, 0),  # when the attempt began
            st.integers(0, 1_000),  # under way
            st.floats(0, 5_000),  # recent rate
            st.none() | st.integers(0, 10_000),  # Retry-After
        ),
    ),
    max_size=40,
)


def slowed(
    pace: RateControl,
    now: datetime = NOON,
    *,
    began: float = 0,
    under_way: int = MAX_CONCURRENCY,
    rate: float = MAX_RATE,
    retry_after: timedelta | None = None,
) -> RateControl:
    return pace.slowed(
        now,
        began_at=now + timedelta(seconds=began),
        under_way=under_way,
        recent_rate=rate,
        retry_after=retry_after,
    )


def after(steps: list[tuple[int, int, float, int | None] | None]) -> list[RateControl]:
    """The pace after each step, a second apart."""
    paces = [FULL]
    for number, step in enumerate(steps):
        now = NOON + number * SECOND
        if step is None:
            paces.append(paces[-1].quickened())
        else:
            began, under_way, rate, asked = step
            wait = None if asked is None else timedelta(seconds=asked)
            paces.append(
                slowed(
                    paces[-1], now, began=began, under_way=under_way, rate=rate, retry_after=wait
                )
            )
    return paces


@given(STEPS)
def test_it_never_leaves_its_bounds(steps):
    for number, pace in enumerate(after(steps)):
        assert MIN_CONCURRENCY <= pace.concurrency <= MAX_CONCURRENCY
        assert pace.rate is None or MIN_RATE <= pace.rate < MAX_RATE
        if pace.resumes_at is not None:
            assert pace.resumes_at <= NOON + number * SECOND + LONGEST_REST


@given(STEPS)
def test_a_slow_down_never_quickens_and_an_answer_never_slows(steps):
    for step, (before, pace) in zip(
        steps, zip(after(steps), after(steps)[1:], strict=False), strict=False
    ):
        limits = [
            (one.concurrency, MAX_RATE if one.rate is None else one.rate) for one in (before, pace)
        ]
        lower, higher = (limits[1], limits[0]) if step else limits
        assert lower[0] <= higher[0]
        assert lower[1] <= higher[1]


@given(STEPS)
def test_it_recovers_when_all_is_taken(steps):
    pace = after(steps)[-1]
    answers = 0
    while pace.rate is not None:
        pace = pace.quickened()
        answers += 1
        assert answers < 20_000
    assert pace.concurrency == MAX_CONCURRENCY


def test_both_limits_are_halved_from_what_was_in_use():
    pace = slowed(FULL, under_way=40, rate=100)
    assert (pace.concurrency, pace.rate) == (20, 50)
    assert (slowed(pace, NOON + SECOND).concurrency, slowed(pace, NOON + SECOND).rate) == (10, 25)


def test_what_was_under_way_at_a_slow_down_does_not_slow_again():
    pace = slowed(FULL, under_way=40, rate=100)
    assert slowed(pace, NOON + SECOND, began=-1) == pace
    assert slowed(pace, NOON + 2 * SECOND, began=-1) != pace


def test_the_rate_grows_by_ten_a_second_while_all_is_taken():
    pace = slowed(FULL, under_way=40, rate=100)
    for _ in range(50):  # one second's attempts
        pace = pace.quickened()
    assert pace.rate == pytest.approx(60, abs=1.5)
    assert pace.concurrency == 70


def test_retry_after_is_honoured_the_longest_counts():
    pace = slowed(FULL, retry_after=30 * SECOND)
    assert pace.resumes_at == NOON + 30 * SECOND
    assert slowed(pace, NOON + SECOND, retry_after=5 * SECOND).resumes_at == NOON + 30 * SECOND
    late = slowed(pace, NOON + SECOND, began=-5, retry_after=60 * SECOND)
    assert late.resumes_at == NOON + 61 * SECOND
    assert slowed(FULL, retry_after=timedelta(days=1)).resumes_at == NOON + LONGEST_REST
