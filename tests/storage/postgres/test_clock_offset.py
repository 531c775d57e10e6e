"""What a process knows of its clock, and when it may act by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.postgres.clock_offset import (
    MOST_OFFSET,
    TRUSTED_SECONDS,
    ClockAhead,
    ClockOffset,
    Moment,
    refuse_if_ahead,
)

NOON = datetime(2031, 5, 10, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def moment(passed: float, *, ahead: float = 0.0) -> Moment:
    return Moment(NOON + timedelta(seconds=passed + ahead), passed)


def measured(*, ahead: float, took: float = 0.0) -> ClockOffset:
    """A clock that was measured at noon, by an answer that came so late."""
    clock = ClockOffset()
    measure(clock, 0.0, ahead=ahead, took=took)
    return clock


def measure(clock: ClockOffset, at: float, *, ahead: float, took: float = 0.0) -> None:
    theirs = NOON + timedelta(seconds=at + took / 2)
    clock.measured(moment(at, ahead=ahead), theirs, moment(at + took, ahead=ahead))


@pytest.mark.parametrize("ahead", [1.001, -1.001, 120.0, -864_000.0])
def test_a_clock_that_is_off_is_wrong(ahead: float):
    assert measured(ahead=ahead).trouble(moment(0, ahead=ahead))


@pytest.mark.parametrize("ahead", [0.0, 1.0, -1.0])
def test_a_clock_that_is_off_by_what_is_allowed_is_right(ahead: float):
    assert measured(ahead=ahead).trouble(moment(TRUSTED_SECONDS, ahead=ahead)) is None


def test_where_nobody_measures_any_clock_will_do():
    assert ClockOffset().trouble(moment(0)) is None


def test_what_was_measured_long_ago_is_no_ground_to_act():
    clock = measured(ahead=0)
    later = moment(TRUSTED_SECONDS + 0.1)
    assert clock.trouble(later)
    assert clock.wrong(later) is None


@pytest.mark.parametrize("step", [1.1, -1.1])
def test_a_clock_that_was_stepped_is_wrong_at_once(step: float):
    clock = measured(ahead=0)
    assert clock.trouble(moment(1)) is None
    assert "was set 1.1 s" in clock.trouble(moment(1, ahead=step))


def test_what_was_stepped_right_is_right_when_it_is_measured():
    clock = measured(ahead=120)
    assert clock.trouble(moment(1))
    measure(clock, 2, ahead=0)
    assert clock.trouble(moment(2)) is None


def test_a_small_step_adds_to_the_offset():
    assert measured(ahead=0.6).trouble(moment(1, ahead=1.2))


def test_a_slow_answer_tells_less_and_blames_nobody():
    clock = measured(ahead=0, took=4)
    assert clock.wrong(moment(4)) is None
    assert "took 4.0 s" in clock.trouble(moment(4))


def test_a_slow_answer_that_agrees_renews_what_is_known():
    clock = measured(ahead=0.2)
    for at in (1, 6, 11):
        measure(clock, at, ahead=0.2, took=4)
        assert clock.trouble(moment(at + 4, ahead=0.2)) is None
    assert clock.milliseconds == pytest.approx(200, abs=1)


def test_a_slow_answer_that_does_not_agree_counts():
    clock = measured(ahead=0)
    theirs = NOON - timedelta(seconds=60)  # the clock of the database was set
    clock.measured(moment(2), theirs, moment(6))
    assert "ahead" in clock.wrong(moment(6))


@pytest.mark.parametrize("late", [timedelta(), timedelta(hours=1)])
def test_a_command_that_comes_late_is_not_refused(late: timedelta):
    refuse_if_ahead(NOON + MOST_OFFSET - late, NOON, MOST_OFFSET)


def test_a_command_that_comes_from_later_is_refused():
    with pytest.raises(ClockAhead, match=r"1\.0 s ahead"):
        refuse_if_ahead(NOON + MOST_OFFSET + MILLISECOND, NOON, MOST_OFFSET)
