"""Schedules of an instant, a delay or an interval, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.ids import EPOCH
from domain.schedules.checks import check_schedule
from domain.schedules.clocks.zones import zone
from domain.schedules.fire_times import fire_times, first_moment, next_fire_time
from domain.schedules.kinds.after import MAX_DELAY
from domain.schedules.schedule import Schedule
from tests.domain.instants import instants

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
INSTANTS = instants(2020, 2040)
INTERVALS = st.timedeltas(SECOND, timedelta(days=400))


@pytest.mark.promise("every")
@given(INTERVALS, INSTANTS)
def test_an_interval_fires_at_whole_multiples_of_itself_since_1970(
    every: timedelta, after: datetime
):
    upcoming = next_fire_time(Schedule(accepted_at=after, every=every), after=after)
    assert upcoming is not None
    assert (upcoming - EPOCH) % every == timedelta(0)
    assert after < upcoming <= after + every


@pytest.mark.promise("every")
@given(INTERVALS, INSTANTS, INSTANTS)
def test_an_interval_does_not_depend_on_when_it_was_accepted(
    every: timedelta, accepted_at: datetime, after: datetime
):
    mine = next_fire_time(Schedule(accepted_at=accepted_at, every=every), after=after)
    restarted = next_fire_time(Schedule(accepted_at=after, every=every), after=after)
    assert mine == restarted


@given(INTERVALS, INSTANTS)
def test_an_interval_never_drifts(every: timedelta, after: datetime):
    schedule = Schedule(accepted_at=after, every=every)
    first = next_fire_time(schedule, after=after)
    assert first is not None
    times = fire_times(schedule, start=first, until=first + 20 * every, limit=100)
    assert times == [first + n * every for n in range(21)]


@pytest.mark.promise("at")
@pytest.mark.parametrize("spec", [{"at": NOON}, {"after": timedelta(0)}])
def test_an_instant_and_a_delay_fire_once(spec):
    schedule = Schedule(accepted_at=NOON, **spec)
    assert next_fire_time(schedule, after=NOON - TICK) == NOON
    assert next_fire_time(schedule, after=NOON) is None
    assert next_fire_time(schedule, after=NOON + TICK) is None


@pytest.mark.promise("after")
def test_a_delay_counts_from_acceptance():
    schedule = Schedule(accepted_at=NOON, after=timedelta(minutes=5))
    assert next_fire_time(schedule, after=first_moment(schedule)) == NOON + timedelta(minutes=5)


@pytest.mark.parametrize("spec", [{"at": NOON}, {"after": timedelta(0)}])
def test_what_is_due_at_this_very_instant_is_accepted_and_fires(spec):
    schedule = Schedule(accepted_at=NOON, **spec)
    check_schedule(schedule)
    assert next_fire_time(schedule, after=first_moment(schedule)) == NOON


@given(
    st.builds(
        Schedule,
        accepted_at=st.just(NOON),
        every=INTERVALS,
    )
    | st.builds(
        Schedule,
        accepted_at=st.just(NOON),
        cron=st.sampled_from(["* * * * *", "*/7 * * * *", "30 1 * * *", "0 0 1 * MON", "@daily"]),
        timezone=st.sampled_from(["UTC", "Europe/London", "Asia/Kathmandu"]),
    ),
    INSTANTS,
)
def test_fire_times_strictly_increase_and_leave_none_out(schedule: Schedule, after: datetime):
    first = next_fire_time(schedule, after=after)
    assert first is not None
    times = fire_times(schedule, start=first, until=first + timedelta(days=3), limit=50)
    assert times[0] == first
    assert all(earlier < later for earlier, later in pairwise(times))
    for earlier, later in pairwise(times):
        assert next_fire_time(schedule, after=later - TICK) == later
        assert next_fire_time(schedule, after=earlier) == later


@given(st.integers(0, 300), st.integers(0, 200))
def test_fire_times_are_bounded_by_an_instant_and_a_number(seconds: int, limit: int):
    schedule = Schedule(accepted_at=NOON, every=SECOND)
    times = fire_times(schedule, start=NOON, until=NOON + seconds * SECOND, limit=limit)
    assert times == [NOON + n * SECOND for n in range(min(seconds + 1, limit))]


def test_no_fire_times_lie_before_the_first_one():
    schedule = Schedule(accepted_at=NOON, every=SECOND)
    assert fire_times(schedule, start=NOON, until=NOON - TICK, limit=5) == []


def test_fire_times_end_with_the_schedule():
    schedule = Schedule(accepted_at=NOON, at=NOON)
    assert fire_times(schedule, start=NOON, until=NOON + MAX_DELAY, limit=5) == [NOON]


@pytest.mark.promise("never fires")
@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"at": NOON - TICK}, "/at"),
        ({"after": timedelta(seconds=-1)}, "/after"),
        ({"after": MAX_DELAY + SECOND}, "/after"),
        ({"every": SECOND - TICK}, "/every"),
        ({"every": timedelta(0)}, "/every"),
        ({"every": -SECOND}, "/every"),
        ({"cron": "0 0 30 2 *"}, "/cron"),  # there is no 30 February
        ({"cron": "0 0 31 4,6,9,11 *"}, "/cron"),
        ({"cron": "60 * * * *"}, "/cron"),
        ({"cron": "* * * *"}, "/cron"),
        ({"cron": "* * * * * * * *"}, "/cron"),
        ({"cron": "@fortnightly"}, "/cron"),
        ({"cron": "0 0 * * MON#6"}, "/cron"),
        ({"cron": "*/0 * * * *"}, "/cron"),
        ({"cron": ""}, "/cron"),
        ({"cron": "@daily", "timezone": "Europe/Atlantis"}, "/timezone"),
    ],
)
def test_a_schedule_that_cannot_fire_is_refused_with_a_pointer(spec, pointer: str):
    with pytest.raises(Invalid) as refusal:
        check_schedule(Schedule(accepted_at=NOON, **spec))
    assert refusal.value.pointer == pointer


def test_an_interval_beyond_the_calendar_is_refused():
    with pytest.raises(Invalid) as refusal:
        check_schedule(Schedule(accepted_at=NOON, every=timedelta(days=4_000_000)))
    assert refusal.value.pointer == "/every"


@pytest.mark.parametrize(
    "spec",
    [
        {"at": NOON + SECOND},
        {"after": MAX_DELAY},
        {"every": SECOND},
        {"cron": "0 0 29 2 *"},
        {"cron": "0 0 30 2 MON"},  # every Monday in February
        {"cron": "0 0 * 2 MON#5"},  # a leap year's February that begins with a Monday
        {"cron": "@daily", "timezone": "Australia/Lord_Howe"},
    ],
)
def test_a_schedule_that_fires_however_rarely_is_accepted(spec):
    check_schedule(Schedule(accepted_at=NOON, **spec))


@pytest.mark.parametrize(
    "name",
    ["Nowhere", "", "Europe", "../../etc/passwd", "/etc/localtime", "a\0b", "London "],
)
def test_a_bad_zone_is_refused_with_a_pointer(name: str):
    with pytest.raises(Invalid, match="IANA") as refusal:
        zone(name)
    assert refusal.value.pointer == "/timezone"
