"""Retry policies."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.policies.retry import (
    MAX_ATTEMPTS,
    MAX_BACKOFF,
    MAX_RETRY_DURATION,
    RetryPolicy,
    check_retry,
)

BACKOFFS = st.timedeltas(timedelta(0), MAX_BACKOFF)
DRAWS = st.floats(0, 1)


@st.composite
def policies(draw: st.DrawFn, max_attempts: st.SearchStrategy[int]) -> RetryPolicy:
    low, high = sorted((draw(BACKOFFS), draw(BACKOFFS)))
    return RetryPolicy(
        max_attempts=draw(max_attempts),
        min_backoff=low,
        max_backoff=high,
        multiplier=draw(st.floats(1, 100)),
        jitter=draw(st.booleans()),
    )


@pytest.mark.promise("retries")
@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (6, None), (7, None)]
)
def test_backoff_doubles_up_to_its_bound_and_then_gives_up(attempt: int, seconds: int | None):
    policy = RetryPolicy(
        max_attempts=6,
        min_backoff=timedelta(seconds=10),
        max_backoff=timedelta(seconds=60),
        jitter=False,
    )
    delay = policy.delay_after(attempt, draw=0.5)
    assert delay == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(("multiplier", "seconds"), [(1.0, 5), (1.5, 11.25), (3.0, 45)])
def test_backoff_grows_by_its_multiplier(multiplier: float, seconds: float):
    policy = RetryPolicy(multiplier=multiplier, jitter=False)
    assert policy.delay_after(3, draw=0.0) == timedelta(seconds=seconds)


@pytest.mark.promise("retries")
@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 0), (0.25, 2.5), (1.0, 10)])
def test_full_jitter_is_drawn_from_zero_to_the_whole_delay(draw: float, seconds: float):
    policy = RetryPolicy(min_backoff=timedelta(seconds=10))
    assert policy.delay_after(1, draw=draw) == timedelta(seconds=seconds)


def test_one_attempt_means_no_retry():
    assert RetryPolicy(max_attempts=1).delay_after(1, draw=0.0) is None


@given(policies(st.just(10**9)), st.integers(1, 10**8), DRAWS)
def test_no_delay_is_negative_or_above_its_bound_however_high_the_attempt(
    policy: RetryPolicy, attempt: int, draw: float
):
    delay = policy.delay_after(attempt, draw=draw)
    assert delay is not None
    assert timedelta(0) <= delay <= policy.max_backoff


@given(policies(st.just(10**9)), st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_later_attempt_never_waits_less(policy: RetryPolicy, attempt: int, further: int):
    sooner = policy.delay_after(attempt, draw=1.0)
    later = policy.delay_after(attempt + further, draw=1.0)
    assert sooner is not None
    assert later is not None
    assert sooner <= later


def test_a_small_backoff_that_outgrew_all_numbers_is_at_its_bound():
    policy = RetryPolicy(
        max_attempts=1_000, min_backoff=timedelta(milliseconds=1), multiplier=100.0, jitter=False
    )
    assert policy.delay_after(200, draw=1.0) == policy.max_backoff


@given(policies(st.integers(1, MAX_ATTEMPTS)), st.integers(1, 200), DRAWS)
def test_exactly_the_last_attempt_and_those_beyond_have_no_delay(
    policy: RetryPolicy, attempt: int, draw: float
):
    check_retry(policy)
    delay = policy.delay_after(attempt, draw=draw)
    assert (delay is None) == (attempt >= policy.max_attempts)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"max_attempts": 0}, "/max_attempts"),
        ({"max_attempts": MAX_ATTEMPTS + 1}, "/max_attempts"),
        ({"min_backoff": timedelta(seconds=-1)}, "/min_backoff"),
        ({"min_backoff": timedelta(days=2), "max_backoff": timedelta(days=2)}, "/min_backoff"),
        ({"min_backoff": timedelta(minutes=6)}, "/max_backoff"),
        ({"max_backoff": timedelta(days=2)}, "/max_backoff"),
        ({"multiplier": 0.5}, "/multiplier"),
        ({"multiplier": 101.0}, "/multiplier"),
        ({"multiplier": float("nan")}, "/multiplier"),
        ({"multiplier": float("inf")}, "/multiplier"),
        ({"max_retry_duration": timedelta(seconds=-1)}, "/max_retry_duration"),
        ({"max_retry_duration": MAX_RETRY_DURATION + timedelta(1)}, "/max_retry_duration"),
    ],
)
def test_a_policy_that_contradicts_itself_is_refused_with_a_pointer(changes, pointer: str):
    with pytest.raises(Invalid) as refusal:
        check_retry(RetryPolicy(**changes))
    assert refusal.value.pointer == pointer


def test_the_default_policy_is_valid():
    check_retry(RetryPolicy())


@pytest.mark.parametrize(("asked", "waited"), [(0, 10), (9, 10), (25, 25), (60, 60), (3_600, 60)])
def test_what_the_target_asks_for_is_honoured_between_the_backoff_and_its_bound(
    asked: int, waited: int
):
    policy = RetryPolicy(
        min_backoff=timedelta(seconds=10), max_backoff=timedelta(seconds=60), jitter=False
    )
    delay = policy.delay_after(1, draw=0.0, retry_after=timedelta(seconds=asked))
    assert delay == timedelta(seconds=waited)


def test_jitter_does_not_shorten_what_the_target_asks_for():
    delay = RetryPolicy().delay_after(1, draw=0.0, retry_after=timedelta(seconds=25))
    assert delay == timedelta(seconds=25)


@given(policies(st.just(10**9)), st.integers(1, 1_000), DRAWS, st.timedeltas(timedelta(0)))
def test_no_target_can_ask_for_more_than_the_longest_backoff(
    policy: RetryPolicy, attempt: int, draw: float, asked: timedelta
):
    delay = policy.delay_after(attempt, draw=draw, retry_after=asked)
    assert delay is not None
    assert min(asked, policy.max_backoff) <= delay <= policy.max_backoff


@pytest.mark.parametrize(
    ("elapsed", "retried"), [(0, True), (49, True), (50, True), (50.001, False), (100, False)]
)
def test_no_attempt_begins_after_the_time_for_retries(elapsed: float, retried: bool):
    policy = RetryPolicy(
        min_backoff=timedelta(seconds=10), jitter=False, max_retry_duration=timedelta(seconds=60)
    )
    delay = policy.delay_after(1, draw=0.0, elapsed=timedelta(seconds=elapsed))
    assert (delay is not None) == retried


def test_the_time_for_retries_counts_what_the_target_asks_for():
    policy = RetryPolicy(max_retry_duration=timedelta(seconds=60))
    assert policy.delay_after(1, draw=0.0, retry_after=timedelta(seconds=61)) is None


@pytest.mark.promise("retries")
def test_whichever_limit_comes_first_ends_it():
    policy = RetryPolicy(max_attempts=2, jitter=False, max_retry_duration=timedelta(days=1))
    assert policy.delay_after(2, draw=0.0) is None
