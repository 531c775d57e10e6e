"""A run waits for its target for so long and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.policies.deferral import LONGEST_DEFERRAL, give_up_at

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_first_attempt_waits_for_as_long_as_runs_may():
    assert give_up_at(NOON, None, MINUTE) == NOON + LONGEST_DEFERRAL


def test_a_retry_waits_until_the_time_for_retries_is_over_if_that_is_sooner():
    assert give_up_at(NOON, NOON - MINUTE, None) == NOON + LONGEST_DEFERRAL
    assert give_up_at(NOON, NOON - MINUTE, 3 * MINUTE) == NOON + 2 * MINUTE
    assert give_up_at(NOON, NOON - MINUTE, 60 * MINUTE) == NOON + LONGEST_DEFERRAL
