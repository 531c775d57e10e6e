"""Cron expressions as patterns of a wall clock, compared with an oracle that looks everywhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.cron.expression import parse_cron
from tests.domain.examples import examples
from tests.domain.schedules.cron_oracle import (
    DAYS,
    MONTHS,
    WEEKDAYS,
    Cron,
    crons,
    either,
    fixed,
    named_walls,
    starred,
)

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
THURSDAY = datetime.fromisoformat("2026-05-14T09:30:15")
WALLS = st.datetimes(datetime.fromisoformat("2024-01-01"), datetime.fromisoformat("2101-01-01"))


def next_walls(cron: str, after: datetime, until: datetime) -> list[datetime]:
    pattern = parse_cron(cron)
    found: list[datetime] = []
    upcoming = pattern.next_wall(after)
    while upcoming is not None and upcoming <= until:
        assert upcoming > (found[-1] if found else after), "it does not advance"
        found.append(upcoming)
        upcoming = pattern.next_wall(upcoming)
    return found


@pytest.mark.promise("cron")
@given(crons(either(0, 59), either(0, 23), DAYS, MONTHS, WEEKDAYS), WALLS)
@examples(deadline=None, max_examples=60)
def test_no_minute_is_skipped_or_repeated(cron: Cron, start: datetime):
    end = start + DAY
    assert next_walls(str(cron), start, end) == list(named_walls(cron, start, end, MINUTE))


@pytest.mark.promise("cron")
@given(crons(either(0, 59), either(0, 23), second=fixed(0, 59) | starred(0, 59)), WALLS)
@examples(deadline=None, max_examples=60)
def test_no_second_is_skipped_or_repeated(cron: Cron, start: datetime):
    end = start + 15 * MINUTE
    assert next_walls(str(cron), start, end) == list(named_walls(cron, start, end, SECOND))


@pytest.mark.promise("day fields")
@given(crons(fixed(0, 0), fixed(0, 0), DAYS, MONTHS, WEEKDAYS), WALLS)
@examples(deadline=None, max_examples=100)
def test_days_are_those_of_either_field_or_of_both(cron: Cron, start: datetime):
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight + n * DAY for n in range(1, 400)]
    assert next_walls(str(cron), start, days[-1]) == [day for day in days if cron.names_day(day)]


@given(crons(either(0, 59), either(0, 23), DAYS, MONTHS, WEEKDAYS), WALLS)
@examples(deadline=None, max_examples=60)
def test_an_expression_names_what_the_oracle_names(cron: Cron, wall: datetime):
    pattern = parse_cron(str(cron))
    walls = [wall, wall.replace(microsecond=0), wall.replace(second=0, microsecond=0)]
    assert [pattern.names(one) for one in walls] == [cron.names(one) for one in walls]


@given(crons(either(0, 59), either(0, 23), DAYS, weekday=WEEKDAYS), WALLS)
@examples(deadline=None, max_examples=60)
def test_an_inclusive_search_finds_the_start_itself_exactly_when_it_is_named(
    cron: Cron, wall: datetime
):
    pattern, start = parse_cron(str(cron)), wall.replace(second=0, microsecond=0)
    found = pattern.next_wall(start, inclusive=True)
    assert (found == start) == pattern.names(start)
    if found != start:
        assert found == pattern.next_wall(start)


@pytest.mark.promise("cron")
@pytest.mark.parametrize(
    ("cron", "first"),
    [
        ("@hourly", "2026-05-14T10:00"),
        ("@daily", "2026-05-15"),
        ("@MIDNIGHT", "2026-05-15"),
        ("@weekly", "2026-05-17"),  # a Sunday
        ("@monthly", "2026-06-01"),
        ("@Yearly", "2027-01-01"),
        (" @annually ", "2027-01-01"),
        ("0 9 * * MON-FRI", "2026-05-15T09:00"),
        ("0 0 1 JAN,jul *", "2026-07-01"),
        ("0 0 * * 7", "2026-05-17"),
        ("0 0 * * FRI-MON", "2026-05-15"),
        ("0 0 * * SAT-SUN", "2026-05-16"),
        ("0 0 ? * 6-1", "2026-05-16"),
        ("0 0 * * 7-1", "2026-05-17"),
        ("0 0 15 * ?", "2026-05-15"),
        ("40/10 9 * * *", "2026-05-14T09:40"),
        ("0-30/20 * * * *", "2026-05-14T10:00"),
        ("30 9 * * *", "2026-05-15T09:30"),
        ("16 30 9 * * *", "2026-05-14T09:30:16"),
        ("*/15 * * * * *", "2026-05-14T09:30:30"),
        ("0 0 0 1 1 ? 2031", "2031-01-01"),
        ("0 0 0 1 1 ? 2027-2040/5,2199", "2027-01-01"),
        ("0 0 0 1 1 ? 2199", "2199-01-01"),
        ("0 0 L * *", "2026-05-31"),
        ("0 0 L-3 * *", "2026-05-28"),
        ("0 0 L-30 * *", "2026-07-01"),  # May's was the 1st, June has none
        ("0 0 LW * *", "2026-05-29"),
        ("0 0 16W * *", "2026-05-15"),  # a Saturday
        ("0 0 17W * *", "2026-05-18"),  # a Sunday
        ("0 0 18W * *", "2026-05-18"),
        ("0 0 1W 8 *", "2026-08-03"),  # the 1st is a Saturday, and July is another month
        ("0 0 31W 5 *", "2026-05-29"),  # the 31st is a Sunday, and June is another month
        ("0 0 31W 6,7 *", "2026-07-31"),
        ("0 0 1,L * *", "2026-05-31"),
        ("0 0 * * FRI#3", "2026-05-15"),
        ("0 0 * * 5#5", "2026-05-29"),
        ("0 0 * * 7#1", "2026-06-07"),
        ("0 0 * * 5L", "2026-05-29"),
        ("0 0 * * sunl", "2026-05-31"),
        ("0 0 * * 4L,TUE#4", "2026-05-26"),
        ("0 0 29 2 *", "2028-02-29"),
        ("0 0 29 2 SUN#5", "2028-02-29"),  # either one
    ],
)
def test_macros_names_and_special_days(cron: str, first: str):
    assert parse_cron(cron).next_wall(THURSDAY) == datetime.fromisoformat(first)


@pytest.mark.parametrize(
    "start", [datetime.fromisoformat("2026-05-14"), datetime.fromisoformat("2097-01-01")]
)
@pytest.mark.parametrize("weekday", range(7))
def test_a_29_february_that_must_be_a_given_weekday_is_found(start: datetime, weekday: int):
    # `*/28` begins with `*`: the 29th, or the 1st, and the weekday.
    pattern = parse_cron(f"0 0 */28 2 {weekday}")
    found = pattern.next_wall(start)
    while found is not None and found.day != 29:
        found = pattern.next_wall(found)
    assert found is not None
    assert found.isoweekday() % 7 == weekday


@pytest.mark.parametrize(
    "cron",
    ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 */31 * MON#2", "0 0 0 1 1 ? 1999", "0 0 L-30 2 *"],
)
def test_what_never_comes_is_none(cron: str):
    assert parse_cron(cron).next_wall(THURSDAY) is None


@pytest.mark.parametrize(
    "after", ["2199-12-31T23:59:00", "2200-01-01", "9999-12-31T23:59:59.999999"]
)
def test_the_calendar_of_cron_ends_with_the_year_2199(after: str):
    assert parse_cron("* * * * *").next_wall(datetime.fromisoformat(after)) is None


def test_the_last_instant_of_all_can_be_asked_about():
    last = datetime.max  # noqa: DTZ901 - a wall-clock time
    assert parse_cron("* * * * * *").next_wall(last, inclusive=True) is None
    assert parse_cron("* * * * * *").next_wall(last.replace(microsecond=0), inclusive=True) is None


@pytest.mark.parametrize(
    ("cron", "elapsed"),
    [
        ("0 * * * *", True),
        ("@hourly", True),
        ("0 */2 * * *", True),
        ("0 *,3 * * *", True),
        ("*/5 1 * * *", False),
        ("0 0-23 * * *", False),
        ("0 0/2 * * *", False),
        ("0 H * * *", False),
        ("0 H/2 * * *", False),
        ("0 ~ * * *", False),
    ],
)
def test_only_an_hour_that_begins_with_a_star_follows_elapsed_time(cron: str, elapsed: bool):
    assert parse_cron(cron).elapsed is elapsed


@pytest.mark.promise("day fields")
@pytest.mark.parametrize(
    ("cron", "either_day"),
    [
        ("0 0 1 * MON", True),
        ("0 0 L * FRI#1", True),
        ("0 0 H * MON", True),
        ("0 0 */2 * MON", False),
        ("0 0 1 * */2", False),
        ("0 0 1 * ?", False),
        ("0 0 ? * MON", False),
        ("0 0 * * *", False),
    ],
)
def test_either_day_counts_only_if_both_fields_are_restricted(cron: str, either_day: bool):
    assert parse_cron(cron).either_day is either_day


def test_the_same_search_from_the_same_place_goes_on_forever_in_order():
    def walk():
        upcoming = parse_cron("7,31 */5 L,15W * FRI#2").next_wall(THURSDAY)
        while upcoming is not None:
            yield upcoming
            upcoming = parse_cron("7,31 */5 L,15W * FRI#2").next_wall(upcoming)

    assert all(earlier < later for earlier, later in pairwise(islice(walk(), 2_000)))
