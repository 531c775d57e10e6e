"""Where rules end in a time zone: RFC 5545, 3.3.10 (COUNT, UNTIL) and 3.3.5 (forms of a time)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.clocks.zones import zone_of
from domain.schedules.description import describe
from domain.schedules.fire_times import fire_times, next_fire_time
from domain.schedules.preview import preview
from domain.schedules.rrule.end import last_instant, next_of
from domain.schedules.rrule.rule import parse_rrule
from domain.schedules.schedule import Schedule
from tests.domain.examples import examples
from tests.domain.schedules.cron_clocks import changes, readings
from tests.domain.schedules.rrule_oracle import oracle

NEW_YORK, TOKYO, LOS_ANGELES = "America/New_York", "Asia/Tokyo", "America/Los_Angeles"
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)
DAYS, CLOCK = "%d", "%dT%H:%M%z"
SKIP, BOTH, SECOND = {"gap": Gap.SKIP}, {"fold": Fold.BOTH}, {"fold": Fold.SECOND}


def schedule(text: str, zone: str, **rules: object) -> Schedule:
    accepted = datetime(2026, 12, 1, tzinfo=UTC)
    return Schedule(accepted_at=accepted, rrule=text, timezone=zone, **rules)


def fired(of: Schedule, style: str) -> str:
    """What it fires, in local time."""
    start = next_fire_time(of, after=of.accepted_at)
    if start is None:
        return ""
    times = fire_times(of, start=start, until=datetime(2100, 1, 1, tzinfo=UTC), limit=100)
    assert [one.at for one in preview(of, after=of.accepted_at, count=100).times] == times
    return " ".join(f"{one.astimezone(zone_of(of.timezone)):{style}}" for one in times)


@pytest.mark.promise("COUNT and UNTIL")
@pytest.mark.parametrize(
    ("rules", "start", "parts", "style", "times"),
    [
        # By the hour, through the hour that comes twice and through the one that does not come:
        # "instances with a nonexistent local time MUST NOT be counted" (3.3.10).
        ({}, "20271107T003000", "FREQ=HOURLY;COUNT=4", CLOCK,
         "07T00:30-0400 07T01:30-0400 07T01:30-0500 07T02:30-0500"),
        ({}, "20270314T003000", "FREQ=HOURLY;COUNT=4", CLOCK,
         "14T00:30-0500 14T01:30-0500 14T03:30-0400 14T04:30-0400"),
        ({}, "20271106T223000", "FREQ=HOURLY;COUNT=5", CLOCK,
         "06T22:30-0400 06T23:30-0400 07T00:30-0400 07T01:30-0400 07T01:30-0500"),
        ({}, "20271107T010000", "FREQ=MINUTELY;INTERVAL=30;COUNT=3", CLOCK,
         "07T01:00-0400 07T01:30-0400 07T01:00-0500"),
        ({}, "20271107T013000", "FREQ=HOURLY;COUNT=1", CLOCK, "07T01:30-0400"),
        ({}, "20270314T023000", "FREQ=HOURLY;COUNT=2", CLOCK, "14T03:30-0400 14T04:30-0400"),
        # By the day: what is skipped does not count, what runs after the gap does, once.
        (SKIP, "20270313T023000", "FREQ=DAILY;COUNT=3", DAYS, "13 15 16"),
        ({}, "20270313T023000", "FREQ=DAILY;COUNT=3", CLOCK,
         "13T02:30-0500 14T03:00-0400 15T02:30-0400"),
        (SKIP, "20270314T023000", "FREQ=DAILY;COUNT=1", DAYS, "15"),
        ({}, "20270313T020000", "FREQ=DAILY;BYMINUTE=0,30;COUNT=4", CLOCK,
         "13T02:00-0500 13T02:30-0500 14T03:00-0400 15T02:00-0400"),
        ({}, "20270314T020000", "FREQ=DAILY;BYHOUR=2,3;COUNT=2", CLOCK,
         "14T03:00-0400 15T02:00-0400"),
        (SKIP, "20270307T023000", "FREQ=WEEKLY;COUNT=3", DAYS, "07 21 28"),
        (SKIP, "20270214T023000", "FREQ=MONTHLY;COUNT=3", "%m-%d", "02-14 04-14 05-14"),
        (SKIP, "20270312T023000", "FREQ=MONTHLY;BYDAY=SU;BYSETPOS=2;COUNT=2", "%m-%d",
         "04-11 05-09"),
        # Twice in both passes, and each of them counts.
        (BOTH, "20271106T013000", "FREQ=DAILY;COUNT=3", CLOCK,
         "06T01:30-0400 07T01:30-0400 07T01:30-0500"),
        (BOTH, "20271107T010000", "FREQ=DAILY;BYMINUTE=0,30;COUNT=3", CLOCK,
         "07T01:00-0400 07T01:30-0400 07T01:00-0500"),
        (SECOND, "20271106T013000", "FREQ=DAILY;COUNT=2", CLOCK, "06T01:30-0400 07T01:30-0500"),
        # "If DTSTART is a local time with a time zone reference, UNTIL MUST be in UTC": an instant.
        ({}, "20271107T000000", "FREQ=HOURLY;UNTIL=20271107T053000Z", CLOCK,
         "07T00:00-0400 07T01:00-0400"),
        ({}, "20271107T000000", "FREQ=HOURLY;UNTIL=20271107T060000Z", CLOCK,
         "07T00:00-0400 07T01:00-0400 07T01:00-0500"),
        ({}, "20270312T023000", "FREQ=DAILY;UNTIL=20270314T070000Z", CLOCK,
         "12T02:30-0500 13T02:30-0500 14T03:00-0400"),
        (SECOND, "20271106T013000", "FREQ=DAILY;UNTIL=20271107T053000Z", CLOCK, "06T01:30-0400"),
        (SECOND, "20271106T013000", "FREQ=DAILY;UNTIL=20271107T063000Z", CLOCK,
         "06T01:30-0400 07T01:30-0500"),
        # Without Z it is the name of the last time, in whichever pass that fires.
        (SECOND, "20271106T013000", "FREQ=DAILY;UNTIL=20271107T013000", CLOCK,
         "06T01:30-0400 07T01:30-0500"),
        ({}, "20270313T023000", "FREQ=DAILY;UNTIL=20270314T023000", CLOCK,
         "13T02:30-0500 14T03:00-0400"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False], ids=["TZID", "timezone"])
def test_count_and_until_where_clocks_change(  # noqa: PLR0917
    rules: dict[str, object], start: str, parts: str, style: str, times: str, named: bool
):
    zone = f";TZID={NEW_YORK}" if named else ""
    text = f"DTSTART{zone}:{start}\nRRULE:{parts}"
    assert fired(schedule(text, NEW_YORK, **rules), style) == times


@pytest.mark.promise("COUNT and UNTIL")
@pytest.mark.parametrize(
    ("zone", "start", "until", "last"),
    [
        (TOKYO, "20270101T090000", "20270105T000000Z", "05T09:00+0900"),
        (TOKYO, "20270101T090000", "20270104T235959Z", "04T09:00+0900"),
        (LOS_ANGELES, "20270101T200000", "20270106T010000Z", "04T20:00-0800"),
        (LOS_ANGELES, "20270101T200000", "20270106T040000Z", "05T20:00-0800"),
        ("UTC", "20270101T090000", "20270105T090000Z", "05T09:00+0000"),
        ("Europe/London", "20270101T090000", "20270105T090000Z", "05T09:00+0000"),
        # All-day starts begin at midnight of their zone.
        (TOKYO, "20270101", "20270105T000000Z", "05T00:00+0900"),
        (TOKYO, "20270101", "20270105T150000Z", "06T00:00+0900"),
        (LOS_ANGELES, "20270101", "20270105T000000Z", "04T00:00-0800"),
        (LOS_ANGELES, "20270101", "20270105", "05T00:00-0800"),
        (TOKYO, "20270101", "20270105", "05T00:00+0900"),
        # As "floating" as DTSTART: a name, and no instant.
        (TOKYO, "20270101T090000", "20270105T090000", "05T09:00+0900"),
        (LOS_ANGELES, "20270101T200000", "20270105T200000", "05T20:00-0800"),
        (LOS_ANGELES, "20270101T200000Z", "20270105T200000Z", "05T12:00-0800"),
    ],
)
def test_until_with_z_is_an_instant_whatever_dtstart_is(
    zone: str, start: str, until: str, last: str
):
    text = f"DTSTART:{start}\nRRULE:FREQ=DAILY;UNTIL={until}"
    assert fired(schedule(text, zone), CLOCK).split()[-1] == last


def test_until_is_told_in_local_time():
    text = "DTSTART:20270101T090000\nRRULE:FREQ=DAILY;UNTIL=20270105T000000Z"
    assert "until 5 January 2027 at 09:00" in describe(schedule(text, TOKYO))
    assert "until 5 January 2027 at 00:00" in describe(schedule(text, "UTC"))


RULES = st.sampled_from(
    [
        *("HOURLY", "HOURLY;INTERVAL=5", "MINUTELY;INTERVAL=45", "DAILY", "DAILY;INTERVAL=2"),
        *("DAILY;BYHOUR=0,1,2,3,23", "DAILY;BYHOUR=1,2;BYMINUTE=0,15,45", "WEEKLY;BYDAY=SU,MO"),
        *("HOURLY;BYMINUTE=0,30", "MONTHLY;BYDAY=SA,SU;BYSETPOS=1,-2"),
    ]
)
ZONES = [NEW_YORK, "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo"]
STEP = timedelta(minutes=15)


@examples(deadline=None, max_examples=80)
@given(st.data(), st.sampled_from(ZONES), RULES, st.sampled_from(Gap), st.sampled_from(Fold))
def test_count_and_until_bound_what_fires(
    data: st.DataObject, name: str, rule: str, gap: Gap, fold: Fold
):
    zone = zone_of(name)
    change = data.draw(st.sampled_from(changes(name)))
    # On whole quarters of an hour, as `readings` adds a minute.
    clock = readings(name, change, 3 * DAY - timedelta(minutes=1), STEP)
    start = clock.shown[0][1] + data.draw(st.integers(40, 300)) * STEP
    head = f"DTSTART:{start:%Y%m%dT%H%M%S}\nRRULE:FREQ={rule}"
    walls = set(oracle(head, clock.shown[-1][1]))
    naming = type("", (), {"names": staticmethod(walls.__contains__)})
    if parse_rrule(head).elapsed:
        fires = clock.elapsed_times(naming)
    else:
        fires = clock.fixed_times(naming, gap, fold)
    if not fires:
        return
    number = data.draw(st.integers(1, len(fires)))
    last = fires[number - 1]
    for end in (f";COUNT={number}", f";UNTIL={last:%Y%m%dT%H%M%SZ}"):
        bounded = parse_rrule(head + end)
        assert list(islice(_walk(bounded, zone, fires[0], gap, fold), 400)) == fires[:number]
        assert last_instant(bounded, zone, gap, fold) == last


def _walk(rule, zone, first, gap, fold):
    found = next_of(rule, zone, after=first - TICK, gap=gap, fold=fold)
    while found is not None:
        yield found
        found = next_of(rule, zone, after=found, gap=gap, fold=fold)
