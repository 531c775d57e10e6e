"""What a schedule excludes: the difference of two sets, and days of its own zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedules.calendar import check_exclusions
from domain.schedules.checks import check_schedule
from domain.schedules.fire_times import fire_times, is_excluded, next_fire_time, nominal_times
from domain.schedules.schedule import Exclusion, Schedule, with_calendars
from tests.domain.examples import examples

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOST = 100_000

EXCLUSIONS = st.one_of(
    st.builds(Exclusion, date=st.dates(date(2026, 11, 23), date(2026, 11, 27))),
    st.dates(date(2026, 11, 23), date(2026, 11, 27)).flatmap(
        lambda first: st.builds(
            Exclusion,
            start=st.just(first),
            end=st.integers(0, 2).map(lambda days: first + days * DAY),
        )
    ),
    st.builds(Exclusion, at=st.integers(0, 200).map(lambda n: NOON + n * 600 * SECOND)),
    st.builds(
        Exclusion,
        every=st.sampled_from([1_200 * SECOND, HOUR]),
        phase=st.sampled_from([timedelta(0), 600 * SECOND]),
    ),
    st.builds(
        Exclusion,
        cron=st.sampled_from(
            [
                "* * * * WED",
                "* 0-8 * * *",
                "*/20 * * * *",
                "@hourly",
                "* * 3 * * *",
                "0 */2 1 * * *",
            ]
        ),
    ),
    st.builds(Exclusion, rrule=st.just("DTSTART:20261124T000000\nRRULE:FREQ=HOURLY;INTERVAL=3")),
)
ZONES = st.sampled_from(["UTC", "Europe/London", "Asia/Kathmandu", "America/New_York"])
JOBS = st.sampled_from([{"every": 600 * SECOND}, {"cron": "*/5 * * * *"}, {"every": 420 * SECOND}])


def named(schedule: Schedule, length: timedelta = 2 * DAY) -> list[datetime]:
    return nominal_times(schedule, after=NOON, before=NOON + length, limit=MOST)


def kept(schedule: Schedule, length: timedelta = 2 * DAY) -> list[datetime]:
    first = next_fire_time(schedule, after=NOON)
    if first is None:
        return []
    return fire_times(schedule, start=first, until=NOON + length - TICK, limit=MOST)


def names_by_itself(exclusion: Exclusion, instant: datetime, zone: str) -> bool:
    """Whether an exclusion alone names an instant, asked of it as if it were a job's schedule."""
    day = instant.astimezone(ZoneInfo(zone)).date()
    if exclusion.date is not None:
        return day == exclusion.date
    if exclusion.start is not None and exclusion.end is not None:
        return exclusion.start <= day <= exclusion.end
    spec = {name: getattr(exclusion, name) for name in ("at", "every", "phase", "cron", "rrule")}
    schedule = Schedule(accepted_at=NOON, timezone=zone, **spec)
    return next_fire_time(schedule, after=instant - TICK) == instant


@pytest.mark.promise("schedule")
@examples(deadline=None, max_examples=100)
@given(JOBS, st.lists(EXCLUSIONS, max_size=4), ZONES)
def test_excluding_is_the_difference_of_two_sets(
    spec: dict[str, object], exclusions: list[Exclusion], zone: str
):
    schedule = Schedule(accepted_at=NOON, timezone=zone, exclude=tuple(exclusions), **spec)
    assert kept(schedule) == [
        instant
        for instant in named(schedule)
        if not any(names_by_itself(one, instant, zone) for one in exclusions)
    ]


@examples(deadline=None)
@given(JOBS, st.lists(EXCLUSIONS, min_size=1, max_size=4), ZONES)
def test_what_is_asked_of_one_instant_agrees_with_the_list(
    spec: dict[str, object], exclusions: list[Exclusion], zone: str
):
    schedule = Schedule(accepted_at=NOON, timezone=zone, exclude=tuple(exclusions), **spec)
    assert kept(schedule) == [one for one in named(schedule) if not is_excluded(schedule, one)]


@examples(deadline=None, max_examples=60)
@given(JOBS, st.lists(EXCLUSIONS, min_size=1, max_size=3), st.integers(0, 100))
def test_the_next_fire_time_does_not_depend_on_where_the_search_began(
    spec: dict[str, object], exclusions: list[Exclusion], tenths: int
):
    schedule = Schedule(accepted_at=NOON, exclude=tuple(exclusions), **spec)
    after = NOON + tenths * 600 * SECOND + 7 * SECOND
    following = [one for one in kept(schedule, 9 * DAY) if one > after]
    upcoming = next_fire_time(schedule, after=after)
    if following:
        assert upcoming == following[0]
    else:
        far = upcoming is None or upcoming > NOON + 9 * DAY
        assert far or is_excluded(schedule, upcoming)  # the search goes on there


@examples(deadline=None)
@given(JOBS, ZONES)
def test_excluding_nothing_changes_nothing(spec: dict[str, object], zone: str):
    schedule = Schedule(accepted_at=NOON, timezone=zone, **spec)
    assert kept(schedule) == named(schedule)
    never = msgspec.structs.replace(schedule, exclude=(Exclusion(date=date(1999, 1, 1)),))
    assert kept(never) == named(schedule)


@pytest.mark.promise("exclude")
@examples(deadline=None)
@given(JOBS, st.lists(EXCLUSIONS, max_size=3), st.lists(EXCLUSIONS, max_size=2))
def test_a_calendar_is_what_it_holds(
    spec: dict[str, object], holds: list[Exclusion], own: list[Exclusion]
):
    naming = Schedule(accepted_at=NOON, exclude=(*own, Exclusion(calendar="holidays")), **spec)
    inline = Schedule(accepted_at=NOON, exclude=(*own, *holds), **spec)
    assert with_calendars(naming, {"holidays": tuple(holds)}) == inline


def test_a_calendar_that_there_is_not_is_pointed_at():
    schedule = Schedule(
        accepted_at=NOON, every=HOUR, exclude=(Exclusion(at=NOON), Exclusion(calendar="holidays"))
    )
    with pytest.raises(Invalid, match="PUT /calendars") as refusal:
        with_calendars(schedule, {})
    assert refusal.value.pointer == "/exclude/1/calendar"


def test_a_calendar_cannot_name_another():
    with pytest.raises(Invalid) as refusal:
        check_exclusions((Exclusion(at=NOON), Exclusion(calendar="another")))
    assert refusal.value.pointer == "/exclude/1/calendar"


@pytest.mark.promise("exclude")
@pytest.mark.parametrize("fields", ["* * * * TUE", "* * * * * TUE", "0-59 0-23 * * TUE"])
@pytest.mark.parametrize("spec", [{"every": SECOND}, {"every": 1.5 * SECOND, "phase": SECOND / 4}])
def test_a_cron_expression_excludes_whole_minutes_or_seconds(fields: str, spec: dict[str, object]):
    schedule = Schedule(accepted_at=NOON, exclude=(Exclusion(cron=fields),), **spec)
    first = next_fire_time(schedule, after=NOON + 7 * SECOND)
    assert first is not None
    assert NOON + DAY / 2 <= first < NOON + DAY / 2 + 2 * SECOND


def test_an_expression_without_seconds_excludes_the_whole_minute_for_a_job_of_every_second():
    schedule = Schedule(accepted_at=NOON, every=SECOND, exclude=(Exclusion(cron="1 12 * * *"),))
    first = [NOON + n * SECOND for n in range(1, 60)]
    assert kept(schedule, 180 * SECOND) == first + [NOON + n * SECOND for n in range(120, 180)]
    assert next_fire_time(schedule, after=NOON + 70 * SECOND) == NOON + 120 * SECOND


@pytest.mark.parametrize("fields", ["* * 0-8 * * *", "*/1 * * DEC *", "* * * * * SAT,SUN"])
def test_a_long_exclusion_does_not_end_a_fast_job(fields: str):
    schedule = Schedule(accepted_at=NOON, every=SECOND, exclude=(Exclusion(cron=fields),))
    for days in range(40):
        assert next_fire_time(schedule, after=NOON + days * DAY + 13 * HOUR) is not None


@pytest.mark.promise("exclude")
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Asuncion", date(2024, 10, 6)),  # clocks skipped midnight to 01:00
        ("America/Asuncion", date(2024, 3, 23)),  # and showed 23:00 to midnight twice
        ("Africa/Cairo", date(2024, 4, 26)),
        ("Africa/Cairo", date(2024, 10, 31)),
        ("Asia/Beirut", date(2024, 3, 31)),
        ("America/St_Johns", date(2010, 11, 6)),  # at 00:01 back to 23:01
        ("America/St_Johns", date(2010, 11, 7)),
        ("Atlantic/Azores", date(2024, 3, 31)),
        ("Australia/Lord_Howe", date(2024, 4, 7)),
        ("Europe/London", date(2024, 3, 31)),
        ("Pacific/Apia", date(2011, 12, 29)),  # 30 December was left out
        ("Pacific/Apia", date(2011, 12, 31)),
    ],
)
@pytest.mark.parametrize("exclude", ["date", "range", "cron", "cron with seconds"])
def test_a_day_is_the_local_day_also_where_clocks_change_at_midnight(
    zone: str, day: date, exclude: str
):
    exclusion = {
        "date": Exclusion(date=day),
        "range": Exclusion(start=day, end=day),
        "cron": Exclusion(cron=f"* * {day.day} {day.month} *"),
        "cron with seconds": Exclusion(cron=f"* * * {day.day} {day.month} *"),
    }[exclude]
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - 2 * DAY
    schedule = Schedule(accepted_at=start, every=300 * SECOND, timezone=zone, exclude=(exclusion,))
    first = next_fire_time(schedule, after=start)
    assert first is not None
    found = fire_times(schedule, start=first, until=start + 4 * DAY, limit=MOST)
    assert found == [
        instant
        for instant in nominal_times(
            schedule, after=start, before=start + 4 * DAY + TICK, limit=MOST
        )
        if instant.astimezone(ZoneInfo(zone)).date() != day
    ]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/London", date(2026, 10, 25)),
        ("Atlantic/Azores", date(2026, 10, 25)),
        ("America/St_Johns", date(2010, 11, 6)),
        ("America/Asuncion", date(2024, 3, 23)),
    ],
)
@pytest.mark.parametrize("exclude", ["date", "cron", "hours"])
def test_a_fast_job_outlives_an_excluded_day_on_which_clocks_go_back(
    zone: str, day: date, exclude: str
):
    exclusion = {
        "date": Exclusion(date=day),
        "cron": Exclusion(cron=f"* * {day.day} {day.month} *"),
        "hours": Exclusion(cron="* * 0-20 * * *"),
    }[exclude]
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - DAY
    schedule = Schedule(accepted_at=start, every=SECOND, timezone=zone, exclude=(exclusion,))
    for quarters in range(4 * 72):
        after = start + quarters * 900 * SECOND
        assert next_fire_time(schedule, after=after) is not None


def test_a_schedule_of_which_all_is_excluded_is_refused():
    schedule = Schedule(accepted_at=NOON, cron="0 3 * * *", exclude=(Exclusion(cron="0 3 * * *"),))
    with pytest.raises(Invalid, match="excluded") as refusal:
        check_schedule(schedule)
    assert refusal.value.pointer == "/exclude"


@pytest.mark.parametrize(
    ("exclusion", "pointer"),
    [
        (Exclusion(after=HOUR), "/exclude/0/after"),
        (Exclusion(start=date(2026, 1, 2), end=date(2026, 1, 1)), "/exclude/0/to"),
        (Exclusion(cron="nonsense"), "/exclude/0/cron"),
        (Exclusion(every=timedelta(0)), "/exclude/0/every"),
    ],
)
def test_an_exclusion_that_makes_no_sense_is_pointed_at(exclusion: Exclusion, pointer: str):
    with pytest.raises(Invalid) as refusal:
        check_schedule(Schedule(accepted_at=NOON, every=HOUR, exclude=(exclusion,)))
    assert refusal.value.pointer == pointer
