"""Local instants follow `gap` and `fold` like all local times; jitter ends with the schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.schemas.calendars import CalendarBody
from app.schemas.schedules import ExclusionBody, ScheduleBody, SpecBody
from domain.errors import Invalid
from domain.schedules.checks import check_schedule
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.fire_times import due_time, fire_times, next_fire_time
from domain.schedules.schedule import Schedule

NOW = datetime(2026, 12, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"
SKIPPED, TWICE = datetime(2027, 3, 14, 2, 30), datetime(2027, 11, 7, 1, 30)  # noqa: DTZ001
FIRST_PASS, SECOND_PASS = "11-07T05:30", "11-07T06:30"


def fired(body: ScheduleBody) -> str:
    """Its fire times in UTC; as a cron expression of the same wall time it has the same."""
    schedule = body.schedule(NOW)
    check_schedule(schedule)
    start = next_fire_time(schedule, after=NOW)
    assert start is not None
    times = fire_times(schedule, start=start, until=NOW + timedelta(days=390), limit=10)
    return " ".join(f"{one:%m-%dT%H:%M}" for one in times)


@pytest.mark.parametrize(
    ("wall", "rules", "times"),
    [
        (SKIPPED, {}, "03-14T07:00"),
        (SKIPPED, {"gap": Gap.RUN_AFTER, "fold": Fold.BOTH}, "03-14T07:00"),
        (TWICE, {}, FIRST_PASS),
        (TWICE, {"fold": Fold.FIRST}, FIRST_PASS),
        (TWICE, {"fold": Fold.SECOND}, SECOND_PASS),
        (TWICE, {"fold": Fold.BOTH}, f"{FIRST_PASS} {SECOND_PASS}"),
        (TWICE, {"gap": Gap.SKIP}, FIRST_PASS),
        (datetime(2027, 3, 14, 3), {"gap": Gap.SKIP}, "03-14T07:00"),  # noqa: DTZ001
        (datetime(2027, 3, 14, 1, 59, 59), {}, "03-14T06:59"),  # noqa: DTZ001
        (TWICE.replace(tzinfo=UTC), {"fold": Fold.BOTH}, "11-07T01:30"),
    ],
)
def test_a_local_at_fires_when_a_cron_expression_of_the_same_time_does(
    wall: datetime, rules: dict[str, object], times: str
):
    options = {"timezone": NEW_YORK, **rules}
    assert fired(ScheduleBody(at=wall, **options)) == times
    assert fired(ScheduleBody(specs=[SpecBody(at=wall)], **options)) == times
    if wall.tzinfo is None:
        cron = f"{wall.second} {wall.minute} {wall.hour} {wall.day} {wall.month} * {wall.year}"
        assert fired(ScheduleBody(cron=cron, **options)) == times


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"at": SKIPPED}, "/at"),
        ({"specs": [SpecBody(every=60), SpecBody(at=SKIPPED)]}, "/specs/1/at"),
        ({"every": 60, "exclude": [ExclusionBody(at=SKIPPED)]}, "/exclude/0/at"),
    ],
)
def test_a_local_at_that_never_comes_is_refused(body: dict[str, object], pointer: str):
    with pytest.raises(Invalid, match=r"skip 02:30 on 14 March 2027") as refused:
        ScheduleBody(timezone=NEW_YORK, gap=Gap.SKIP, **body).schedule(NOW)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("wall", [datetime.min, datetime.max])  # noqa: DTZ901
@pytest.mark.parametrize("name", ["at", "start_at", "end_at"])
@pytest.mark.parametrize("zone", [NEW_YORK, "Asia/Tokyo"])
def test_the_ends_of_the_calendar_are_refused(wall: datetime, name: str, zone: str):
    body = {"cron": "@daily", name: wall} if name != "at" else {"at": wall}
    if wall == datetime.min and zone == NEW_YORK:  # noqa: DTZ901
        ScheduleBody(timezone=zone, **body).schedule(NOW)
        return
    with pytest.raises(Invalid) as refused:
        ScheduleBody(timezone=zone, **body).schedule(NOW)
    assert refused.value.pointer == f"/{name}"


@pytest.mark.parametrize(
    ("job", "fold", "times"),
    [
        ("30 1 * * *", Fold.FIRST, "11-06T05:30 11-08T06:30"),
        ("30 1 * * *", Fold.SECOND, "11-06T05:30 11-08T06:30"),
        ("30 1 * * *", Fold.BOTH, "11-06T05:30 11-08T06:30"),
    ],
)
def test_an_exclusion_by_local_time_hits_the_pass_that_fires(job: str, fold: Fold, times: str):
    calendar = CalendarBody(exclude=[ExclusionBody(at=TWICE)], timezone=NEW_YORK).exclusions()
    own = ScheduleBody(
        cron=job,
        timezone=NEW_YORK,
        fold=fold,
        exclude=[ExclusionBody(at=TWICE)],
        start_at=datetime(2027, 11, 6, tzinfo=UTC),
        end_at=datetime(2027, 11, 9, tzinfo=UTC),
    )
    assert fired(own) == times
    assert len(calendar) == 2  # whichever pass a schedule that names it fires in
    assert set(own.schedule(NOW).exclude) <= set(calendar)


def test_an_exclusion_by_local_time_hits_what_a_gap_moves():
    options = {"timezone": NEW_YORK, "start_at": datetime(2027, 3, 13, tzinfo=UTC)}
    ends = {"end_at": datetime(2027, 3, 16, tzinfo=UTC), "cron": "30 2 * * *"}
    gone = [ExclusionBody(at=SKIPPED)]
    assert fired(ScheduleBody(**options, **ends)) == "03-13T07:30 03-14T07:00 03-15T06:30"
    assert fired(ScheduleBody(**options, **ends, exclude=gone)) == "03-13T07:30 03-15T06:30"


@pytest.mark.parametrize(
    ("rules", "start", "end"),
    [
        ({}, FIRST_PASS, FIRST_PASS),
        ({"fold": Fold.SECOND}, SECOND_PASS, SECOND_PASS),
        ({"fold": Fold.BOTH}, FIRST_PASS, SECOND_PASS),
    ],
)
def test_bounds_that_come_twice(rules: dict[str, object], start: str, end: str):
    body = ScheduleBody(cron="* * * * *", start_at=TWICE, timezone=NEW_YORK, **rules)
    assert f"{body.schedule(NOW).start_at:%m-%dT%H:%M}" == start
    body = ScheduleBody(cron="* * * * *", end_at=TWICE, timezone=NEW_YORK, **rules)
    assert f"{body.schedule(NOW).end_at:%m-%dT%H:%M}" == end


def test_bounds_that_are_skipped():
    last = {"start_at": datetime(2027, 3, 13, tzinfo=UTC), "timezone": NEW_YORK}
    moved = ScheduleBody(cron="30 2 * * *", end_at=SKIPPED, **last)
    assert fired(moved) == "03-13T07:30 03-14T07:00"
    skipped = ScheduleBody(cron="0 3 * * *", end_at=SKIPPED, gap=Gap.SKIP, **last)
    assert fired(skipped) == "03-13T08:00"
    begun = ScheduleBody(cron="0 3 14 3 *", start_at=SKIPPED, timezone=NEW_YORK)
    assert fired(begun) == "03-14T07:00"


@pytest.mark.parametrize(
    "spec",
    [
        {"at": datetime(2027, 1, 1, 9, tzinfo=UTC)},
        {"cron": "0 9 * * *"},
        {"every": timedelta(hours=9)},
        {"rrule": "DTSTART:20270101T090000Z\nRRULE:FREQ=DAILY;COUNT=3"},
    ],
)
def test_jitter_never_passes_the_end(spec: dict[str, object]):
    start, end = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, 9, 0, 1, tzinfo=UTC)
    for seed in range(50):
        schedule = Schedule(
            accepted_at=NOW,
            seed=str(seed),
            start_at=start,
            end_at=end,
            jitter=timedelta(days=1),
            **spec,
        )
        for instant in fire_times(schedule, start=start, until=end, limit=5):
            assert instant <= due_time(schedule, instant) <= end
