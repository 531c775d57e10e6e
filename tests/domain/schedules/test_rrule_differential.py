"""Recurrence rules, compared with dateutil and with an oracle that tries every period by itself.

Where dateutil differs, on purpose or by its own mistakes:

| rule | dateutil | here |
| --- | --- | --- |
| BYDAY with and without numbers | days that are in both sets: none | days that are in either |
| WEEKLY and BYSETPOS | counts from DTSTART in the first week | counts from that week's start |
| BYWEEKNO, within a week of New Year | forgets a neighbouring year's weeks | counts every week |
| MONTHLY;BYDAY=8MO | may raise IndexError | no month has it |
| nothing ever matches | raises, or runs to the year 9999 | answers None |
"""

# ruff: noqa: DTZ001 - wall times have no zone

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedules.rrule.parts import Frequency
from domain.schedules.rrule.rule import Rrule, parse_rrule
from domain.schedules.rrule.text import read_parts
from tests.domain.examples import examples
from tests.domain.schedules.rrule_oracle import (
    DAY,
    MIXED,
    NUMBERED,
    PLAIN,
    SECOND,
    UNITS,
    listed,
    numbered_weekdays,
    oracle,
    rules,
    week_of,
)

END = datetime(9999, 12, 31, 23, 59, 59)
# dateutil looks for a match until the calendar ends, so for it the calendar ends soon.
COARSE = tuple(sorted(set(Frequency) - UNITS.keys()))
UP_TO_5 = PLAIN | listed(numbered_weekdays(5))
FINAL = rules(
    datetime(9985, 1, 1), datetime(9998, 12, 31), frequencies=COARSE, byday=UP_TO_5
) | rules(datetime(9999, 12, 5), datetime(9999, 12, 30), frequencies=tuple(UNITS), byday=UP_TO_5)
MODERN = rules(datetime(2023, 1, 1), datetime(2025, 12, 31), byday=PLAIN | NUMBERED | MIXED)


def read(text: str) -> Rrule:
    """The rule, unless its COUNT is refused."""
    try:
        return parse_rrule(text)
    except Invalid as refusal:
        assume("is not reached within 100 years" not in refusal.detail)
        raise


def walk(rule: Rrule, after: datetime, end: datetime, limit: int) -> list[datetime]:
    """Times later than `after` and up to `end`, at most so many."""
    found: list[datetime] = []
    upcoming = rule.next_wall(after)
    while upcoming is not None and upcoming <= end and len(found) < limit:
        found.append(upcoming)
        upcoming = rule.next_wall(upcoming)
    return found


def window(text: str) -> timedelta:
    """How much of a rule the oracle can try in good time."""
    parts = read_parts(text)
    unit = UNITS.get(parts.frequency)
    return 800 * DAY if unit is None else min(parts.interval * unit * 1_000, 800 * DAY)


@given(MODERN)
@examples(deadline=None, max_examples=100)
def test_next_wall_walks_through_what_the_oracle_names(text: str):
    rule = read(text)
    end = rule.dtstart + window(text)
    assert walk(rule, rule.dtstart - SECOND, end, 60) == oracle(text, end)[:60]


@given(MODERN, st.data())
@examples(deadline=None, max_examples=60)
def test_any_second_is_answered_as_the_oracle_does(text: str, data: st.DataObject):
    rule = read(text)
    end = rule.dtstart + window(text)
    times = oracle(text, end)
    near = [one + shift for one in times[-20:] for shift in (-SECOND, timedelta(0), SECOND)]
    drawn = st.datetimes(rule.dtstart - 30 * DAY, end - SECOND)
    for wall in data.draw(st.lists(st.sampled_from(near) | drawn if near else drawn, max_size=8)):
        expected = next((one for one in times if one > wall), None)
        found = rule.next_wall(wall)
        assert found == expected or (expected is None and found is not None and found > end)
        assert rule.names(wall) is (wall.replace(microsecond=0) in times)
        if rule.names(wall) and not wall.microsecond:
            assert rule.next_wall(wall, inclusive=True) == wall
        else:
            assert rule.next_wall(wall, inclusive=True) == found


@given(FINAL)
@examples(deadline=None, max_examples=100)
def test_dateutil_names_the_same_times(text: str):
    parts = read_parts(text)
    weekly = parts.frequency is Frequency.WEEKLY and bool(parts.positions)
    assume(not (weekly and parts.count))
    assume(not (parts.week_numbers and (parts.count or parts.positions)))
    theirs = by_dateutil(text, 40)
    # Where it stops by itself, all of ours are compared, but for a week that outlives the calendar.
    end = theirs[-1] if len(theirs) == 40 else datetime(9999, 12, 24)
    mine = walk(read(text), parts.dtstart - SECOND, end, 100)
    theirs = [one for one in theirs if one <= end]
    if weekly:
        first_week = week_of(parts.dtstart.date(), parts.week_start)
        mine, theirs = (
            [one for one in both if week_of(one.date(), parts.week_start) > first_week]
            for both in (mine, theirs)
        )
    if parts.week_numbers:
        mine, theirs = amid_the_year(mine), amid_the_year(theirs)
    assert mine == theirs


def by_dateutil(text: str, limit: int) -> list[datetime]:
    found: list[datetime] = []
    # It raises where nothing matches, and where the calendar ends.
    with suppress(ValueError, OverflowError):
        for one in islice(rrulestr(text), limit):
            found.append(one)  # noqa: PERF402 - what it found before it raised counts
    return found


def amid_the_year(times: list[datetime]) -> list[datetime]:
    """Those in weeks that no other year can own."""
    return [one for one in times if 7 < one.timetuple().tm_yday < 359]


def test_dateutil_takes_byday_with_and_without_numbers_for_days_that_are_both():
    start = "DTSTART:20260101T090000\nRRULE:FREQ=MONTHLY;UNTIL=20270101T000000;BYDAY="
    plain, numbered = list(rrulestr(start + "MO")), list(rrulestr(start + "1FR,-1MO"))
    assert list(rrulestr(start + "MO,1FR")) == []
    mixed = parse_rrule(start + "MO,1FR,-1MO")
    found = walk(mixed, mixed.dtstart - SECOND, END, 100)
    assert found == sorted({*plain, *numbered})


def test_dateutil_chooses_from_what_dtstart_leaves_of_the_first_week():
    text = "DTSTART:20260107T090000\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2"
    friday, wednesday = datetime(2026, 1, 9, 9), datetime(2026, 1, 7, 9)
    assert next(iter(rrulestr(text))) == friday
    assert oracle(text, friday)[0] == wednesday
    rule = parse_rrule(text)
    assert rule.next_wall(wednesday, inclusive=True) == wednesday
    assert rule.next_wall(wednesday) == wednesday + 7 * DAY


def test_dateutil_forgets_a_first_week_counted_from_its_end():
    text = "DTSTART:20241201T000000\nRRULE:FREQ=YEARLY;BYWEEKNO=-52;BYDAY=TU"
    eve = datetime(2024, 12, 31)  # of week 1, of 52, of 2025
    assert eve not in list(islice(rrulestr(text), 5))
    assert oracle(text, datetime(2025, 6, 1)) == [eve]
    assert parse_rrule(text).names(eve)


def test_dateutil_raises_where_nothing_matches():
    text = "DTSTART:20260101T000000\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=3"
    with pytest.raises(ValueError, match="empty set"):
        rrulestr(text)
    assert parse_rrule(text).next_wall(datetime(2026, 1, 1)) is None


def test_dateutil_stumbles_over_an_eighth_monday():
    text = "DTSTART:99850101T000000\nRRULE:FREQ=MONTHLY;BYDAY=8MO,1TU"
    with pytest.raises(IndexError):
        list(rrulestr(text))
    rule = parse_rrule(text)
    assert len(walk(rule, rule.dtstart - SECOND, END, 1_000)) == 15 * 12
