"""The next fire times of a schedule, with what clocks do to them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.fire_times import next_fire_time
from domain.schedules.kinds import Spec
from domain.schedules.preview import MAX_PREVIEW, PREVIEW_STEPS, FireTime
from domain.schedules.preview import preview as whole_preview
from domain.schedules.schedule import Exclusion, Schedule
from tests.domain.instants import instants

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPRING = datetime(2027, 3, 27, 12, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
DAILY_RULE = "DTSTART;TZID=Europe/London:20260101T013000\nRRULE:FREQ=DAILY"


def preview(
    schedule: Schedule, *, after: datetime, count: int, until: datetime | None = None
) -> list[FireTime]:
    return whole_preview(schedule, after=after, count=count, until=until).times


def in_london(**settings) -> Schedule:
    return Schedule(accepted_at=AUTUMN, timezone="Europe/London", **settings)


def shown(schedule: Schedule, after: datetime, count: int = 2) -> list[tuple[str, str | None]]:
    times = preview(schedule, after=after, count=count)
    return [(one.local.isoformat(), one.note) for one in times]


@pytest.mark.promise("preview")
def test_fire_times_come_in_utc_and_in_the_zone_of_the_schedule():
    (one,) = preview(in_london(cron="0 3 * 7 *"), after=NOON, count=1)
    assert one.at.isoformat() == "2027-07-01T02:00:00+00:00"
    assert one.local.isoformat() == "2027-07-01T03:00:00+01:00"
    assert one.note is None


def test_fire_times_are_strictly_later_and_the_last_instant_counts():
    schedule = Schedule(accepted_at=NOON, every=MINUTE)
    times = preview(schedule, after=NOON, count=10, until=NOON + 3 * MINUTE)
    assert [one.at for one in times] == [NOON + n * MINUTE for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("settings", "count", "found"),
    [({}, 5, 5), ({}, 5_000, MAX_PREVIEW), ({"max_runs": 3}, 5, 3), ({}, 0, 0), ({}, -1, 0)],
)
def test_there_are_no_more_than_asked_for_and_allowed(settings, count: int, found: int):
    schedule = Schedule(accepted_at=NOON, every=MINUTE, **settings)
    assert len(preview(schedule, after=NOON, count=count)) == found


def test_jitter_is_left_out():
    schedule = Schedule(accepted_at=NOON, every=HOUR, jitter=HOUR / 2, seed="job")
    assert [one.at for one in preview(schedule, after=NOON, count=1)] == [NOON + HOUR]


def test_what_is_excluded_is_left_out():
    schedule = Schedule(
        accepted_at=NOON, cron="0 9 * * *", exclude=(Exclusion(date=date(2026, 11, 24)),)
    )
    assert shown(schedule, NOON, 1) == [("2026-11-25T09:00:00+00:00", None)]


def test_a_schedule_that_is_over_has_no_fire_times():
    assert preview(Schedule(accepted_at=NOON, at=NOON), after=NOON, count=5) == []


@pytest.mark.promise("preview")
def test_a_time_that_clocks_skip_is_noted():
    assert shown(in_london(cron="30 1 * * *"), SPRING) == [
        ("2027-03-28T02:00:00+01:00", "gap"),
        ("2027-03-29T01:30:00+01:00", None),
    ]


def test_a_time_that_is_left_out_needs_no_note():
    schedule = in_london(cron="30 1 * * *", gap=Gap.SKIP)
    assert shown(schedule, SPRING, 1) == [("2027-03-29T01:30:00+01:00", None)]


@pytest.mark.promise("preview")
@pytest.mark.parametrize("spec", [{"cron": "30 1 * * *"}, {"rrule": DAILY_RULE}])
def test_a_time_that_clocks_show_twice_is_noted(spec):
    assert shown(in_london(**spec, fold=Fold.BOTH), AUTUMN, 3) == [
        ("2026-10-25T01:30:00+01:00", "fold"),
        ("2026-10-25T01:30:00+00:00", "fold"),
        ("2026-10-26T01:30:00+00:00", None),
    ]


def test_an_hourly_expression_follows_elapsed_time_through_a_gap():
    notes = [note for _, note in shown(in_london(cron="30 * * * *"), SPRING, 24)]
    assert notes == [None] * 24


@pytest.mark.parametrize(
    "spec",
    [
        {"at": datetime(2026, 10, 25, 0, 30, tzinfo=UTC)},
        {"after": timedelta(hours=12, minutes=30)},
        {"every": timedelta(days=1), "phase": timedelta(minutes=30)},
    ],
)
def test_what_no_wall_clock_named_has_no_note(spec):
    assert shown(in_london(**spec), AUTUMN, 1) == [("2026-10-25T01:30:00+01:00", None)]


def test_a_note_is_for_the_spec_that_named_the_instant():
    specs = (Spec(at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC)), Spec(cron="45 1 * * *"))
    assert shown(in_london(specs=specs), AUTUMN) == [
        ("2026-10-25T01:30:00+01:00", None),
        ("2026-10-25T01:45:00+01:00", "fold"),
    ]


@given(
    st.sampled_from(["30 1 * * *", "*/20 * * * *", "0 */5 * * *", "15 0,2 1-7 * SUN"]),
    st.sampled_from(["UTC", "Europe/London", "Africa/Cairo", "Australia/Lord_Howe"]),
    st.sampled_from(Fold),
    instants(2026, 2028),
)
def test_each_time_is_the_next_one_after_that_before(
    cron: str, timezone: str, fold: Fold, after: datetime
):
    schedule = Schedule(accepted_at=after, cron=cron, timezone=timezone, fold=fold)
    upcoming = after
    for one in preview(schedule, after=after, count=5):
        expected = next_fire_time(schedule, after=upcoming)
        # In a fold, Python holds a local time to be equal to nothing in another zone.
        assert one.at == expected == one.local.astimezone(UTC)
        upcoming = one.at


def test_the_last_year_has_instants_like_any_other():
    last = datetime(9998, 12, 31, 23, 30, tzinfo=UTC)
    schedule = Schedule(accepted_at=NOON, at=last, timezone="Asia/Tokyo")
    assert [one.at for one in preview(schedule, after=NOON, count=5)] == [last]


def test_a_costly_preview_stops_and_goes_on_where_it_stopped():
    rules = tuple(
        Exclusion(rrule=f"DTSTART:20200101T00{n:02}00\nRRULE:FREQ=MONTHLY;BYDAY=SU;BYSETPOS=1")
        for n in range(50)
    )
    schedule = Schedule(accepted_at=NOON, every=MINUTE, exclude=rules)
    plain = preview(Schedule(accepted_at=NOON, every=MINUTE), after=NOON, count=1_000)
    found = []
    after: datetime | None = NOON
    steps = 0
    while after is not None and len(found) < 1_000:
        before = schedule.work.steps
        part = whole_preview(schedule, after=after, count=1_000 - len(found))
        assert schedule.work.steps - before < 2 * PREVIEW_STEPS
        found += part.times
        after = part.continues_at
        steps += 1
    assert steps > 1
    assert found == plain
