"""Views of one target are one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.targets.health.breaker import BreakerState
from domain.targets.health.target_status import Counts, Minute, TargetStatus, counts_of, merged

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ONE = TargetStatus(
    kind="http",
    name="https://example.com",
    state=BreakerState.CLOSED,
    under_way=1,
    concurrency=512,
    rate=None,
    failures=2,
    opened_at=None,
    probe_at=None,
    seen_at=NOON,
    minutes=[],
)
OTHER = msgspec.structs.replace(
    ONE,
    state=BreakerState.OPEN,
    under_way=3,
    concurrency=8,
    rate=5.5,
    failures=11,
    opened_at=NOON,
    probe_at=NOON + SECOND,
    seen_at=NOON - SECOND,
)


def test_limits_are_added_up_and_the_worst_state_counts():
    both = merged([ONE, OTHER])
    assert (both.state, both.under_way, both.concurrency) == (BreakerState.OPEN, 4, 520)
    assert (both.rate, both.failures) == (None, 11)
    assert (both.opened_at, both.probe_at, both.seen_at) == (NOON, NOON + SECOND, NOON)
    assert merged([OTHER, OTHER]).rate == 11


@pytest.mark.parametrize("worse", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_one_process_in_trouble_is_trouble(worse):
    assert merged([ONE, msgspec.structs.replace(ONE, state=worse)]).state is worse


def test_the_last_minute_is_counted_and_what_was_before_is_not():
    bucket = int(NOON.timestamp()) // 10
    minutes = [Minute(bucket=bucket - n, answered=1, failed=10, deferred=100) for n in range(9)]
    counted = counts_of(msgspec.structs.replace(ONE, minutes=minutes), NOON)
    assert counted == Counts(answered=7, failed=70, deferred=700)
