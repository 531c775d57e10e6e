"""Cron expressions, compared with an oracle that looks at every minute by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedule import Schedule, check_schedule, next_fire_time
from tests.domain.cron_oracle import (
    Cron,
    crons,
    either,
    elapsed_times,
    fixed,
    starred,
    wall_clock_times,
)
from tests.domain.instants import instants

# Instants at which clocks were put forward or back, and one at which nothing happened.
CHANGES = {
    "UTC": [datetime(2026, 2, 28, 23, tzinfo=UTC)],
    "Europe/London": [
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 6, 30, 23, tzinfo=UTC),
    ],
    "America/New_York": [
        datetime(2026, 3, 8, 7, tzinfo=UTC),
        datetime(2026, 11, 1, 6, tzinfo=UTC),
    ],
    "Australia/Lord_Howe": [  # by half an hour
        datetime(2026, 4, 4, 15, tzinfo=UTC),
        datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
    ],
    "Africa/Cairo": [  # at midnight
        datetime(2026, 4, 23, 22, tzinfo=UTC),
        datetime(2026, 10, 29, 21, tzinfo=UTC),
    ],
}
WINDOW = timedelta(hours=8)
WHOLE_HOUR_ZONES = sorted(CHANGES.keys() - {"Australia/Lord_Howe"})
HALF_HOUR_BUG = pytest.mark.xfail(reason="an hour that is skipped over is not looked at")
BEFORE_A_CHANGE = st.timedeltas(timedelta(minutes=-90), timedelta(hours=6))


def fire_times_between(
    cron: Cron | str, zone: str, start: datetime, end: datetime
) -> list[datetime]:
    schedule = Schedule(accepted_at=start, cron=str(cron), timezone=zone)
    found: list[datetime] = []
    upcoming = next_fire_time(schedule, after=start)
    while upcoming is not None and upcoming <= end:
        found.append(upcoming)
        assert len(found) < 10_000, "it does not advance"
        upcoming = next_fire_time(schedule, after=upcoming)
    return found


def ever_fires(cron: Cron, start: datetime) -> bool:
    try:
        check_schedule(Schedule(accepted_at=start, cron=str(cron)))
    except Invalid:
        return False
    return True


def in_second_pass(instant: datetime, zone: str) -> bool:
    return bool(instant.astimezone(ZoneInfo(zone)).fold)


@given(st.data(), st.sampled_from(WHOLE_HOUR_ZONES), crons(either(0, 59), starred(0, 23)))
@examples(deadline=None, max_examples=100)
def test_wildcard_hours_follow_elapsed_time(data: st.DataObject, zone: str, cron: Cron):
    start = data.draw(st.sampled_from(CHANGES[zone])) - data.draw(BEFORE_A_CHANGE)
    found = fire_times_between(cron, zone, start, start + WINDOW)
    assert found == elapsed_times(cron, ZoneInfo(zone), start, start + WINDOW)


@given(st.data(), st.sampled_from(sorted(CHANGES)), crons(fixed(0, 59), fixed(0, 23)))
@examples(deadline=None, max_examples=150)
def test_fixed_hours_fire_once_in_a_fold_and_just_after_a_gap(
    data: st.DataObject, zone: str, cron: Cron
):
    start = data.draw(st.sampled_from(CHANGES[zone])) - data.draw(BEFORE_A_CHANGE)
    assume(not in_second_pass(start, zone))
    found = fire_times_between(cron, zone, start, start + WINDOW)
    assert found == wall_clock_times(cron, ZoneInfo(zone), start, start + WINDOW)


@given(
    crons(fixed(0, 59), fixed(0, 23), either(1, 31), either(1, 12), either(0, 7)),
    instants(2024, 2027),
)
@examples(deadline=None, max_examples=50)
def test_both_days_restricted_match_by_either_one(cron: Cron, start: datetime):
    end = start + timedelta(days=20)
    assume(ever_fires(cron, start))
    found = fire_times_between(cron, "UTC", start, end)
    assert found == elapsed_times(cron, ZoneInfo("UTC"), start, end)


@HALF_HOUR_BUG
@given(st.data(), crons(either(0, 59), starred(0, 23)))
@examples(deadline=None, max_examples=60)
def test_wildcard_hours_follow_elapsed_time_where_clocks_change_by_half_an_hour(
    data: st.DataObject, cron: Cron
):
    zone = "Australia/Lord_Howe"
    start = data.draw(st.sampled_from(CHANGES[zone])) - data.draw(BEFORE_A_CHANGE)
    found = fire_times_between(cron, zone, start, start + WINDOW)
    assert found == elapsed_times(cron, ZoneInfo(zone), start, start + WINDOW)


@HALF_HOUR_BUG
def test_a_stepped_hour_is_not_lost_where_clocks_go_back_by_half_an_hour():
    start = datetime(2026, 4, 4, 13, tzinfo=UTC)  # midnight there
    found = fire_times_between("0 */2 * * *", "Australia/Lord_Howe", start, start + WINDOW / 2)
    assert found == [
        datetime(2026, 4, 4, 15, 30, tzinfo=UTC),  # 02:00, half an hour after the clocks changed
    ]


@given(st.data(), st.sampled_from(sorted(CHANGES)), crons(either(0, 59), either(0, 23)))
@examples(deadline=None, max_examples=100)
def test_a_fire_time_is_always_still_to_come(data: st.DataObject, zone: str, cron: Cron):
    after = data.draw(st.sampled_from(CHANGES[zone])) - data.draw(BEFORE_A_CHANGE)
    schedule = Schedule(accepted_at=after, cron=str(cron), timezone=zone)
    upcoming = next_fire_time(schedule, after=after)
    assert upcoming is not None
    assert upcoming > after


def test_a_job_stored_in_the_second_pass_of_a_fold_does_not_fire_at_once():
    after = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 01:10 in London, for the second time
    schedule = Schedule(accepted_at=after, cron="30 1 * * *", timezone="Europe/London")
    assert next_fire_time(schedule, after=after) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "first"),
    [
        ("@hourly", datetime(2026, 5, 14, 10, tzinfo=UTC)),
        ("@daily", datetime(2026, 5, 15, tzinfo=UTC)),
        ("@midnight", datetime(2026, 5, 15, tzinfo=UTC)),
        ("@weekly", datetime(2026, 5, 17, tzinfo=UTC)),  # a Sunday
        ("@monthly", datetime(2026, 6, 1, tzinfo=UTC)),
        ("@yearly", datetime(2027, 1, 1, tzinfo=UTC)),
        ("@annually", datetime(2027, 1, 1, tzinfo=UTC)),
        ("0 9 * * MON-FRI", datetime(2026, 5, 15, 9, tzinfo=UTC)),
        ("0 0 1 JAN,jul *", datetime(2026, 7, 1, tzinfo=UTC)),
        ("0 0 L * *", datetime(2026, 5, 31, tzinfo=UTC)),
        ("0 0 LW * *", datetime(2026, 5, 29, tzinfo=UTC)),
        ("0 0 * * FRI#3", datetime(2026, 5, 15, tzinfo=UTC)),
        ("0 0 * * 5L", datetime(2026, 5, 29, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        ("0 0 * * 7", datetime(2026, 5, 17, tzinfo=UTC)),
    ],
)
def test_macros_names_and_special_days(cron: str, first: datetime):
    after = datetime(2026, 5, 14, 9, 30, 15, tzinfo=UTC)  # a Thursday
    assert next_fire_time(Schedule(accepted_at=after, cron=cron), after=after) == first


def test_a_daily_job_keeps_its_local_hour_all_year():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = fire_times_between("0 9 * * *", "America/New_York", start, start + timedelta(days=364))
    local = [instant.astimezone(ZoneInfo("America/New_York")) for instant in found]
    assert len(found) == 364
    assert {(wall.hour, wall.minute) for wall in local} == {(9, 0)}
    assert {instant.hour for instant in found} == {13, 14}
