"""Our cron expressions beside cronsim's and croniter's, where they promise the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.schedules.clocks.wall_clock import Fold, Gap, next_instant
from domain.schedules.cron.expression import parse_cron
from tests.domain.examples import examples
from tests.domain.instants import instants
from tests.domain.schedules.cron_oracle import DAYS, MONTHS, WEEKDAYS, Cron, crons, either

Walk = Callable[[str, datetime], Iterator[datetime]]
STARTS = instants(2024, 2090)
LONDON = ZoneInfo("Europe/London")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def ours(cron: str, after: datetime) -> Iterator[datetime]:
    """In the zone of `after`."""
    pattern, zone = parse_cron(cron), ZoneInfo(str(after.tzinfo))
    instant: datetime | None = after.astimezone(UTC)
    while instant is not None:
        instant = next_instant(pattern, zone, after=instant, gap=Gap.RUN_AFTER, fold=Fold.FIRST)
        if instant is not None:
            yield instant


def cronsim(cron: str, after: datetime) -> Iterator[datetime]:
    return (found.astimezone(UTC) for found in CronSim(cron, after))


def croniter_of(cron: str, after: datetime) -> Iterator[datetime]:
    walk = croniter(cron, after, ret_type=datetime)
    while True:
        yield walk.get_next(datetime).astimezone(UTC)


def first(walk: Walk, cron: str, after: datetime, count: int = 5) -> list[datetime]:
    return list(islice(walk(cron, after), count))


def is_plain(cron: Cron) -> bool:
    """Whether it has no range of one number, which either library takes for another one."""
    return re.search(r"\b(\d+)-\1\b", str(cron)) is None


PLAIN = crons(either(0, 59), either(0, 23), DAYS, MONTHS, WEEKDAYS).filter(is_plain)


@given(PLAIN, STARTS)
@examples(deadline=None, max_examples=60)
def test_cronsim_names_the_same_instants_in_utc(cron: Cron, after: datetime):
    assume(next(ours(str(cron), after), None) is not None)  # else cronsim may refuse it
    assert first(ours, str(cron), after, 3) == first(cronsim, str(cron), after, 3)


@given(PLAIN, STARTS)
@examples(deadline=None, max_examples=40)
def test_croniter_names_the_same_instants_in_utc(cron: Cron, after: datetime):
    # It knows no "both days must match", so at most one of them is restricted or stepped here.
    assume(
        "*" in (cron.day.text, cron.weekday.text) or not (cron.day.starred or cron.weekday.starred)
    )
    assume(next(ours(str(cron), after), None) is not None)
    assert first(ours, str(cron), after, 3) == first(croniter_of, str(cron), after, 3)


SPECIAL = st.sampled_from(
    ["0 0 L * *", "0 0 * * 1#1", "0 0 * * 3#5", "30 4 * * 0#2,4#4", "0 12 L 2,6 *"]
)


@pytest.mark.parametrize("other", [cronsim, croniter_of])
@given(SPECIAL, STARTS)
@examples(deadline=None, max_examples=30)
def test_last_and_nth_days_are_the_same(other: Walk, cron: str, after: datetime):
    assert first(ours, cron, after, 3) == first(other, cron, after, 3)


@given(st.integers(0, 6), STARTS)
@examples(deadline=None, max_examples=30)
def test_last_weekdays_are_the_same_though_croniter_spells_them_l5(weekday: int, after: datetime):
    found = first(ours, f"0 0 * * {weekday}L", after)
    assert found == first(cronsim, f"0 0 * * {weekday}L", after)
    assert found == first(croniter_of, f"0 0 * * L{weekday}", after)


@pytest.mark.parametrize("other", [cronsim, croniter_of])
@given(st.integers(1, 10), st.integers(0, 59), STARTS)
@examples(deadline=None, max_examples=40)
def test_days_of_names_and_steps_are_the_same(other: Walk, step: int, minute: int, after: datetime):
    cron = f"{minute}/{step} 1-23/{step} * JAN-dec/{step} mon-Fri"
    assert first(ours, cron, after) == first(other, cron, after)


@given(STARTS)
@examples(deadline=None, max_examples=40)
def test_the_last_workday_is_that_of_cronsim(after: datetime):
    assert first(ours, "0 0 LW * *", after) == first(cronsim, "0 0 LW * *", after)


def at(text: str, zone: tzinfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


class Difference(NamedTuple):
    """What we and another find first, and why we differ."""

    cron: str
    after: datetime
    other: Walk
    ours: list[str]
    theirs: list[str]
    why: str


MAY = at("2026-05-14T00:00", ZoneInfo("UTC"))
FOLD = at("2026-10-25T00:00", LONDON)
GAP = at("2026-03-29T00:00", LONDON)

JANUARY = at("2024-01-01T00:00", ZoneInfo("UTC"))

# Where we differ on purpose.
DIFFERENCES = [
    Difference(
        "0 0 * * 1/2",
        at("2026-05-15T00:00", ZoneInfo("UTC")),
        cronsim,
        ["2026-05-18T00:00", "2026-05-20T00:00"],
        ["2026-05-17T00:00", "2026-05-18T00:00"],
        "a/n runs to Saturday, the last of seven weekdays; cronsim counts Sunday twice, as 0 and 7",
    ),
    Difference(
        "0 0 1-1/2 * *",
        JANUARY,
        cronsim,
        ["2024-02-01T00:00", "2024-03-01T00:00"],
        ["2024-01-03T00:00", "2024-01-05T00:00"],
        "a range of one number ends with it; cronsim steps on to the end of the month",
    ),
    Difference(
        "0 0 1-1 * *",
        JANUARY,
        croniter_of,
        ["2024-02-01T00:00", "2024-03-01T00:00"],
        ["2024-01-02T00:00", "2024-01-03T00:00"],
        "a range of one number is that number; croniter wraps it around the month",
    ),
    Difference(
        "0 0 */10 * MON",
        MAY,
        croniter_of,
        ["2026-06-01T00:00", "2026-08-31T00:00"],
        ["2026-05-18T00:00", "2026-05-21T00:00"],
        "a day field that begins with * is unrestricted (Vixie); to croniter only `*` alone is",
    ),
    Difference(
        "30 1 * * *",
        FOLD,
        croniter_of,
        ["2026-10-25T00:30", "2026-10-26T01:30"],
        ["2026-10-25T00:30", "2026-10-25T01:30"],
        "a daily job fires once in a fold",
    ),
    Difference(
        "0 */2 * * *",
        at("2026-04-05T00:30", LORD_HOWE),
        cronsim,
        ["2026-04-04T15:30", "2026-04-04T17:30"],
        ["2026-04-04T17:30", "2026-04-04T19:30"],
        "02:00 comes half an hour after the clocks went back, which cronsim steps over",
    ),
    Difference(
        "*/30 1 * * *",
        FOLD,
        cronsim,
        ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-26T01:00"],
        ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00"],
        "an hour that is named is wall-clock time whatever the minutes",
    ),
    Difference(
        "*/30 1 * * *",
        GAP,
        cronsim,
        ["2026-03-29T01:00", "2026-03-30T00:00"],
        ["2026-03-30T00:00", "2026-03-30T00:30"],
        "so, in a gap, it fires after it",
    ),
    Difference(
        "0 30 1 * * *",
        GAP,
        cronsim,
        ["2026-03-29T01:00", "2026-03-30T00:30"],
        ["2026-03-30T00:30", "2026-03-31T00:30"],
        "a field of seconds changes nothing in a gap",
    ),
]


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_each_known_difference_is_still_one(difference: Difference):
    cron, after, other, we, they, why = difference
    found = [first(ours, cron, after, len(we)), first(other, cron, after, len(they))]
    assert found == [[at(text, UTC) for text in texts] for texts in (we, they)], why
