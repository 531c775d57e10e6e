"""Recurrence rules: the examples of RFC 5545, 3.8.5.3, and how far a search goes."""

# ruff: noqa: DTZ001, DTZ901 - wall times have no zone

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.rrule import days as rrule_days
from domain.schedules.rrule.clock import Clock, chosen, next_chosen, nth_sum, sums_before
from domain.schedules.rrule.rule import Rrule, parse_rrule
from tests.domain.examples import examples

SECOND = timedelta(seconds=1)
NEW_YORK = "DTSTART;TZID=America/New_York:"


def rule(start: str, parts: str) -> Rrule:
    return parse_rrule(f"{NEW_YORK}{start}\nRRULE:{parts}")


def times(of: Rrule, limit: int, after: datetime | None = None) -> list[datetime]:
    found: list[datetime] = []
    upcoming = of.next_wall(of.dtstart - SECOND if after is None else after)
    while upcoming is not None and len(found) < limit:
        found.append(upcoming)
        upcoming = of.next_wall(upcoming)
    return found


def written(walls: list[datetime], style: str) -> str:
    return " ".join(wall.strftime(style) for wall in walls)


# Start, rule, how its times are written, the first of them; "." where there are no more.
DAYS, CLOCK = "%Y-%m-%d", "%dT%H:%M"
RFC_EXAMPLES = [
    ("19970902T090000", "FREQ=DAILY;COUNT=3", DAYS, "1997-09-02 1997-09-03 1997-09-04 ."),
    ("19971222T090000", "FREQ=DAILY;UNTIL=19971224T000000Z", DAYS, "1997-12-22 1997-12-23 ."),
    ("19970902T090000", "FREQ=DAILY;INTERVAL=2", DAYS, "1997-09-02 1997-09-04 1997-09-06"),
    ("19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", DAYS,
     "1997-09-02 1997-09-12 1997-09-22 1997-10-02 1997-10-12 ."),
    ("19980101T090000", "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
     DAYS, "1998-01-01 1998-01-02 1998-01-03"),
    ("19980101T090000", "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", DAYS,
     "1998-01-01 1998-01-02 1998-01-03"),
    ("19970902T090000", "FREQ=WEEKLY;COUNT=3", DAYS, "1997-09-02 1997-09-09 1997-09-16 ."),
    ("19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", DAYS,
     "1997-09-02 1997-09-16 1997-09-30"),
    ("19970902T090000", "FREQ=WEEKLY;COUNT=4;WKST=SU;BYDAY=TU,TH", DAYS,
     "1997-09-02 1997-09-04 1997-09-09 1997-09-11 ."),
    ("19970901T090000", "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
     DAYS, "1997-09-01 1997-09-03 1997-09-05 1997-09-15 1997-09-17"),
    ("19970902T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", DAYS,
     "1997-09-02 1997-09-04 1997-09-16 1997-09-18 1997-09-30 1997-10-02 1997-10-14 1997-10-16 ."),
    ("19970905T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=1FR", DAYS,
     "1997-09-05 1997-10-03 1997-11-07 ."),
    ("19970907T090000", "FREQ=MONTHLY;INTERVAL=2;COUNT=5;BYDAY=1SU,-1SU", DAYS,
     "1997-09-07 1997-09-28 1997-11-02 1997-11-30 1998-01-04 ."),
    ("19970922T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=-2MO", DAYS,
     "1997-09-22 1997-10-20 1997-11-17 ."),
    ("19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3", DAYS, "1997-09-28 1997-10-29 1997-11-28"),
    ("19970902T090000", "FREQ=MONTHLY;COUNT=4;BYMONTHDAY=2,15", DAYS,
     "1997-09-02 1997-09-15 1997-10-02 1997-10-15 ."),
    ("19970930T090000", "FREQ=MONTHLY;COUNT=4;BYMONTHDAY=1,-1", DAYS,
     "1997-09-30 1997-10-01 1997-10-31 1997-11-01 ."),
    ("19970910T090000", "FREQ=MONTHLY;INTERVAL=18;COUNT=8;BYMONTHDAY=10,11,12,13,14,15", DAYS,
     "1997-09-10 1997-09-11 1997-09-12 1997-09-13 1997-09-14 1997-09-15 1999-03-10 1999-03-11 ."),
    ("19970902T090000", "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU", DAYS,
     "1997-09-02 1997-09-09 1997-09-16 1997-09-23 1997-09-30 1997-11-04"),
    ("19970610T090000", "FREQ=YEARLY;COUNT=4;BYMONTH=6,7", DAYS,
     "1997-06-10 1997-07-10 1998-06-10 1998-07-10 ."),
    ("19970310T090000", "FREQ=YEARLY;INTERVAL=2;COUNT=4;BYMONTH=1,2,3", DAYS,
     "1997-03-10 1999-01-10 1999-02-10 1999-03-10 ."),
    ("19970101T090000", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", DAYS,
     "1997-01-01 1997-04-10 1997-07-19 2000-01-01 2000-04-09 2000-07-18 2003-01-01"),
    ("19970519T090000", "FREQ=YEARLY;BYDAY=20MO", DAYS, "1997-05-19 1998-05-18 1999-05-17"),
    ("19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", DAYS,
     "1997-05-12 1998-05-11 1999-05-17"),
    ("19970313T090000", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", DAYS,
     "1997-03-13 1997-03-20 1997-03-27 1998-03-05"),
    ("19970605T090000", "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8", DAYS,
     "1997-06-05 1997-06-12 1997-06-19"),
    ("19970902T090000", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", DAYS,
     "1998-02-13 1998-03-13 1998-11-13 1999-08-13 2000-10-13"),
    ("19970913T090000", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", DAYS,
     "1997-09-13 1997-10-11 1997-11-08 1997-12-13"),
    ("19961105T090000", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
     DAYS, "1996-11-05 2000-11-07 2004-11-02"),
    ("19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", DAYS,
     "1997-09-04 1997-10-07 1997-11-06 ."),
    ("19970929T090000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", DAYS,
     "1997-09-29 1997-10-30 1997-11-27 1997-12-30 1998-01-29"),
    ("19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000", CLOCK,
     "02T09:00 02T12:00 02T15:00 ."),
    ("19970902T090000", "FREQ=MINUTELY;INTERVAL=15;COUNT=6", CLOCK,
     "02T09:00 02T09:15 02T09:30 02T09:45 02T10:00 02T10:15 ."),
    ("19970902T090000", "FREQ=MINUTELY;INTERVAL=90;COUNT=4", CLOCK,
     "02T09:00 02T10:30 02T12:00 02T13:30 ."),
    ("19970902T163000", "FREQ=DAILY;BYHOUR=15,16;BYMINUTE=0,30", CLOCK,
     "02T16:30 03T15:00 03T15:30 03T16:00 03T16:30"),
    ("19970902T163000", "FREQ=MINUTELY;INTERVAL=30;BYHOUR=15,16", CLOCK,
     "02T16:30 03T15:00 03T15:30 03T16:00 03T16:30"),
    ("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", DAYS,
     "1997-08-05 1997-08-10 1997-08-19 1997-08-24 ."),
    ("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", DAYS,
     "1997-08-05 1997-08-17 1997-08-19 1997-08-31 ."),
    ("20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", DAYS,
     "2007-01-15 2007-01-30 2007-02-15 2007-03-15 2007-03-30 ."),
]  # fmt: skip


@pytest.mark.promise("rrule")
@pytest.mark.parametrize(("start", "parts", "style", "expected"), RFC_EXAMPLES)
def test_an_example_of_the_standard(start: str, parts: str, style: str, expected: str):
    named = expected.removesuffix(" .").split()
    found = times(rule(start, parts), len(named) + 1)
    assert written(found[: len(named)], style).split() == named
    assert (len(found) == len(named)) is expected.endswith(" .")


@pytest.mark.parametrize(
    "frequency",
    [
        "DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
        "MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
    ],
)
def test_every_20_minutes_of_a_working_day(frequency: str):
    found = times(rule("19970902T090000", f"FREQ={frequency}"), 25)
    assert found[0] == datetime(1997, 9, 2, 9)
    assert found[23:] == [datetime(1997, 9, 2, 16, 40), datetime(1997, 9, 3, 9)]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("FREQ=YEARLY", "2024-02-29 2028-02-29"),  # a year without that day is skipped
        ("FREQ=MONTHLY", "2024-02-29 2024-03-29"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2024-03-31 2024-05-31"),
        ("FREQ=MONTHLY;BYDAY=MO,1FR", "2024-03-01 2024-03-04"),  # either, not both
        ("FREQ=YEARLY;BYYEARDAY=-1", "2024-12-31 2025-12-31"),
        ("FREQ=YEARLY;BYYEARDAY=366", "2024-12-31 2028-12-31"),
        ("FREQ=YEARLY;BYDAY=-1SU", "2024-12-29 2025-12-28"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=TU", "2024-12-31 2025-12-30"),  # week 1 of the next year
        ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "2027-01-03 2033-01-02"),  # and 53 of the one before
        ("FREQ=YEARLY;BYDAY=MO;BYSETPOS=-1", "2024-12-30 2025-12-29"),
        ("FREQ=WEEKLY;BYDAY=MO,SU;BYSETPOS=-1;WKST=SU", "2024-03-04 2024-03-11"),
    ],
)
def test_dates_that_are_easy_to_get_wrong(parts: str, expected: str):
    assert written(times(rule("20240229T090000", parts), 2), DAYS) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("FREQ=DAILY;BYHOUR=8,20;BYMINUTE=5,10;BYSETPOS=2,-1", "01T20:10:30 02T08:10:30"),
        ("FREQ=HOURLY;BYMINUTE=5,10,15;BYSETPOS=-1", "01T09:15:30 01T10:15:30"),
        ("FREQ=MINUTELY;BYSECOND=5,45;BYSETPOS=1", "01T09:01:05 01T09:02:05"),
        ("FREQ=SECONDLY;INTERVAL=40;BYSECOND=50,30;BYSETPOS=1", "01T09:00:30 01T09:01:50"),
        ("FREQ=HOURLY;INTERVAL=5;BYHOUR=1", "03T01:00:30 08T01:00:30"),
    ],
)
def test_times_of_day(parts: str, expected: str):
    assert written(times(rule("20240101T090030", parts), 2), "%dT%H:%M:%S") == expected


@pytest.mark.promise("rrule")
def test_dtstart_counts_only_if_the_rule_names_it():
    mondays = rule("20261124T090000", "FREQ=WEEKLY;BYDAY=MO;COUNT=2")
    assert not mondays.names(mondays.dtstart)
    assert written(times(mondays, 3), DAYS) == "2026-11-30 2026-12-07"


def test_nothing_counts_before_dtstart_or_after_the_end():
    days = rule("20261124T090000", "FREQ=DAILY;COUNT=2")
    assert days.next_wall(datetime(1900, 1, 1)) == datetime(2026, 11, 24, 9)
    assert not days.names(datetime(2026, 11, 23, 9))
    assert days.names(datetime(2026, 11, 25, 9))
    assert not days.names(datetime(2026, 11, 26, 9))
    assert days.next_wall(datetime(2026, 11, 25, 9)) is None


def test_only_inclusive_answers_with_the_second_that_was_asked_about():
    days, nine, tick = (
        rule("20261124T090000", "FREQ=DAILY"),
        datetime(2026, 11, 25, 9),
        timedelta(microseconds=1),
    )
    day = timedelta(days=1)
    assert days.next_wall(nine, inclusive=True) == nine
    assert days.next_wall(nine) == nine + day
    assert days.next_wall(nine - tick) == nine
    assert days.next_wall(nine + tick, inclusive=True) == nine + day
    assert days.names(nine + tick)  # microseconds are ignored


NEVER = [
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3",
    "FREQ=YEARLY;BYWEEKNO=1;BYMONTH=6",
    "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
    "FREQ=MONTHLY;BYDAY=6MO",
    "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
    "FREQ=SECONDLY;BYHOUR=1;BYSETPOS=2",
    "FREQ=SECONDLY;INTERVAL=10000;BYHOUR=3;BYMINUTE=0;BYSECOND=1",
    "FREQ=SECONDLY;INTERVAL=9973;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=3;BYSECOND=1",
    "FREQ=HOURLY;INTERVAL=168;BYDAY=MO,WE,TH,FR,SA,SU",
    "FREQ=DAILY;UNTIL=20200101T000000",
]


class Steps:
    """How many years and days a search has looked at."""

    def __init__(self) -> None:
        self.years = self.days = 0


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    count = Steps()
    of_year, of_day = rrule_days._days_of, Clock.first

    def years(days: rrule_days.Days, year: int) -> int:
        count.years += 1
        return of_year(days, year)

    def days(clock: Clock, ordinal: int, earliest: int) -> int | None:
        count.days += 1
        return of_day(clock, ordinal, earliest)

    monkeypatch.setattr(rrule_days, "_days_of", years)
    monkeypatch.setattr(Clock, "first", days)
    return count


@pytest.mark.parametrize("parts", NEVER)
def test_a_rule_that_never_matches_is_given_up_after_50_years(parts: str, steps: Steps):
    parsed = rule("20261124T090000", parts)
    steps.years = steps.days = 0
    assert parsed.next_wall(datetime(2026, 11, 24, 9, 30)) is None
    assert steps.days <= 50 * 366 + 1
    assert steps.years <= 2 * 54 * 52  # a search by week asks for the same years again


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("FREQ=MINUTELY", "24T09:01:00"),
        ("FREQ=SECONDLY", "24T09:00:01"),
        ("FREQ=SECONDLY;INTERVAL=7", "24T09:00:01"),
        ("FREQ=MINUTELY;INTERVAL=9973", "27T00:13:00"),
        ("FREQ=DAILY", "25T00:00:00"),
    ],
)
def test_an_old_start_is_not_counted_from(parts: str, expected: str, steps: Steps):
    found = rule("19700101T000000", parts).next_wall(datetime(2026, 11, 24, 9))
    assert found is not None
    assert written([found], "%dT%H:%M:%S") == expected
    assert (steps.years, steps.days) <= (1, 10)


def test_a_gap_of_more_than_50_years_is_not_looked_across():
    rare = rule("20000101T000000", "FREQ=YEARLY;INTERVAL=60")
    assert rare.next_wall(rare.dtstart) is None
    assert rare.next_wall(datetime(2030, 1, 1)) == datetime(2060, 1, 1)


@pytest.mark.parametrize(
    "frequency", ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "SECONDLY"]
)
@pytest.mark.parametrize("more", ["", ";INTERVAL=10000", ";BYDAY=FR;BYSETPOS=-1", ";BYMONTH=12"])
def test_the_ends_of_the_calendar(frequency: str, more: str):
    first, last = (
        rule("00010101T000000", f"FREQ={frequency}{more}"),
        rule("99991231T235959", f"FREQ={frequency}{more}"),
    )
    assert first.next_wall(datetime.min) is None or first.next_wall(datetime.min) > datetime.min
    first.names(datetime.min)
    for parsed in (first, last):
        assert parsed.next_wall(datetime.max) is None
        assert parsed.next_wall(datetime.max, inclusive=True) is None
        assert parsed.names(datetime.max) is (
            parsed.next_wall(datetime.max.replace(microsecond=0), inclusive=True) is not None
        )


def test_count_ends_a_rule_at_its_last_time():
    often = rule("20261124T000000", "FREQ=MINUTELY;INTERVAL=7;COUNT=1000")
    last = often.dtstart + 999 * 7 * timedelta(minutes=1)
    assert often.next_wall(last - SECOND) == last
    assert often.next_wall(last) is None


@examples(deadline=None)
@given(
    st.sampled_from(
        [
            "FREQ=YEARLY;BYWEEKNO=1,-1,52,53;WKST=SU",
            "FREQ=YEARLY;BYWEEKNO=-53,-52,20",
            "FREQ=YEARLY;BYYEARDAY=1,60,366,-1,-366",
            "FREQ=YEARLY;BYDAY=53MO,-53FR,1SU,WE",
            "FREQ=MONTHLY;BYDAY=5MO,-5TU,TH;BYMONTHDAY=1,29,-1,-30",
            "FREQ=MONTHLY;BYDAY=MO;BYMONTHDAY=1,8,15,22,29;BYSETPOS=5",
        ]
    ),
    st.integers(1, 9_999),
)
def test_years_that_look_alike_on_a_calendar_share_their_days(parts: str, year: int):
    days = rule("20240101T000000", parts).days
    pattern = rrule_days._pattern.__wrapped__
    assert rrule_days._pattern(days, rrule_days._ALIKE[year % 400]) == pattern(days, year)


@given(
    st.sets(st.integers(-366, 366).filter(bool), min_size=1, max_size=5).map(sorted).map(tuple),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_the_next_position_is_one_of_those_that_are_chosen(
    positions: tuple[int, ...], size: int, passed: int
):
    expected = next((index for index in chosen(positions, size) if index >= passed), None)
    assert next_chosen(positions, size, passed) == expected


@given(
    st.sets(st.integers(0, 23), min_size=1, max_size=3).map(sorted),
    st.sets(st.integers(0, 59), min_size=1, max_size=3).map(sorted),
    st.sets(st.integers(0, 59), min_size=1, max_size=3).map(sorted),
    st.integers(0, 86_400),
)
def test_times_before_a_second_are_counted_without_a_look_at_each(
    hours: list[int], minutes: list[int], seconds: list[int], limit: int
):
    levels = [[3_600 * hour for hour in hours], [60 * minute for minute in minutes], seconds]
    number = len(hours) * len(minutes) * len(seconds)
    sums = [nth_sum(levels, index) for index in range(number)]
    assert sums == sorted(sums)
    assert sums_before(levels, limit) == sum(one < limit for one in sums)
    assert sums_before(levels, sums[-1]) == number - 1


@examples(deadline=None)
@given(st.integers(1, 10_000), st.sampled_from(["HOURLY", "MINUTELY", "SECONDLY"]))
def test_days_that_an_interval_skips_are_those_without_a_time(interval: int, frequency: str):
    parsed = rule("20240101T050607", f"FREQ={frequency};INTERVAL={interval};BYHOUR=3,4")
    first = parsed.dtstart.toordinal()
    for day in range(first, first + 500, 7):
        assert parsed.days.allows(day) is (parsed.clock.first(day, 0) is not None)


@pytest.mark.parametrize(
    ("parts", "last"),
    [
        ("FREQ=DAILY;BYHOUR=8,9,10;COUNT=4", "2024-01-02T09:30"),  # two of them on the first day
        ("FREQ=DAILY;BYHOUR=8;COUNT=1", "2024-01-02T08:30"),
        ("FREQ=SECONDLY;BYSECOND=1;COUNT=1000", "2024-01-02T02:09"),
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=1,-1;COUNT=4", "2024-01-12T09:30"),
        ("FREQ=WEEKLY;BYDAY=SU,MO;BYSETPOS=-1;COUNT=100", "2025-11-30T09:30"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5;COUNT=3", "2024-07-29T09:30"),
        ("FREQ=HOURLY;INTERVAL=7;BYHOUR=9;COUNT=3", "2024-01-15T09:30"),
    ],
)
def test_the_last_that_counts_is_found_without_a_walk_through_all(parts: str, last: str):
    parsed = rule("20240101T093000", parts)
    found = times(parsed, 2_000)
    assert written(found[-1:], "%Y-%m-%dT%H:%M") == last
    assert len(found) == parsed.count
