"""A search that stops among what is excluded, and goes on from there, against one that does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.policies import catchup_plan
from domain.policies.catchup import CatchupPolicy, Coalesce, Outcome, Stretch
from domain.policies.catchup_plan import plan
from domain.schedules import fire_times as fire_times_module
from domain.schedules import newest as newest_module
from domain.schedules.exclusion import Excluded
from domain.schedules.fire_times import fire_times, is_excluded, next_fire_time, nominal_times
from domain.schedules.kinds import Spec
from domain.schedules.kinds.work import Budget
from domain.schedules.newest import newest
from domain.schedules.preview import preview as whole_preview
from domain.schedules.schedule import Exclusion, Schedule
from domain.schedules.warnings import schedule_warnings
from tests.domain.examples import examples

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
MOST = 100_000

SPECS = st.one_of(
    st.builds(Spec, every=st.sampled_from([7 * SECOND, 30 * SECOND, 60 * SECOND])),
    st.builds(Spec, cron=st.sampled_from(["*/2 * * * *", "0-10 12 * * *", "*/10 * 12 * * *"])),
    st.builds(Spec, rrule=st.just("DTSTART:20261124T115500\nRRULE:FREQ=MINUTELY;COUNT=30")),
    st.builds(Spec, at=st.integers(0, 3_600).map(lambda second: NOON + second * SECOND)),
)
EXCLUSIONS = st.one_of(
    st.builds(Exclusion, every=st.sampled_from([7 * SECOND, 14 * SECOND, 60 * SECOND])),
    st.builds(
        Exclusion, cron=st.sampled_from(["*/2 * * * * *", "10-49 12 * * *", "1/2 * * * * *"])
    ),
    st.sampled_from([300, 1_700, 3_000]).map(
        lambda count: Exclusion(
            rrule="DTSTART:20261124T120000\nRRULE:FREQ=SECONDLY;UNTIL="
            f"{NOON + count * SECOND:%Y%m%dT%H%M%SZ}"
        )
    ),
    st.just(Exclusion(date=date(2026, 11, 25))),
)
SCHEDULES = st.builds(
    Schedule,
    accepted_at=st.just(NOON - HOUR),
    specs=st.lists(SPECS, min_size=1, max_size=3).map(tuple),
    exclude=st.lists(EXCLUSIONS, min_size=1, max_size=3).map(tuple),
    end_at=st.none() | st.integers(0, 7_200).map(lambda second: NOON + second * SECOND),
    jitter=st.sampled_from([timedelta(0), timedelta(0), 5 * SECOND]),
)
PATIENCE = st.integers(1, 200)


@pytest.fixture(autouse=True)
def patience_is_restored() -> Iterator[None]:
    before = fire_times_module.PATIENCE
    yield
    assert before == fire_times_module.PATIENCE


def endless(schedule: Schedule) -> Budget:
    return Budget(schedule.work, 1_000 * MOST)


def kept_one_by_one(schedule: Schedule, start: datetime, end: datetime) -> list[datetime]:
    """The fire times of `[start, end)`, each instant looked at."""
    every_one = nominal_times(schedule, after=start - TICK, before=end, limit=MOST)
    return [instant for instant in every_one if not is_excluded(schedule, instant)]


@examples(deadline=None, max_examples=200)
@given(SCHEDULES, PATIENCE, st.integers(-600, 3_600))
def test_a_search_that_goes_on_finds_what_a_look_at_each_instant_finds(
    schedule: Schedule, patience: int, second: int
):
    start, end = NOON + second * SECOND, NOON + 2 * HOUR
    expected = kept_one_by_one(schedule, start, end)
    found: list[datetime] = []
    position: datetime | None = start - TICK
    with patch.object(fire_times_module, "PATIENCE", patience):
        while (position := next_fire_time(schedule, after=position)) is not None:
            if position >= end:
                break
            if not is_excluded(schedule, position):
                found.append(position)
    assert found == expected


@examples(deadline=None, max_examples=200)
@given(
    SCHEDULES,
    PATIENCE,
    st.integers(0, 90),
    st.sampled_from([None, None, 3]),
    st.sampled_from([catchup_plan.PLAN_STEPS, 300, 20]),
)
def test_claims_of_a_job_whose_search_stops_leave_no_gap_and_tell_of_nothing_twice(
    schedule: Schedule, patience: int, step: int, most: int | None, steps: int
):
    """Dispatchers look a minute ahead, and come again when the job says so."""
    accounted_to, now = NOON - 30 * SECOND, NOON - 30 * SECOND
    runs: list[datetime] = []
    unrun: list[Stretch] = []
    with (
        patch.object(fire_times_module, "PATIENCE", patience),
        patch.object(catchup_plan, "PLAN_STEPS", steps),
    ):
        upcoming = next_fire_time(schedule, after=accounted_to)
        while upcoming is not None and now < NOON + HOUR:
            until = now + 60 * SECOND
            if upcoming > until:
                now = max(upcoming - 60 * SECOND, now + step * SECOND)
                continue
            made = plan(
                schedule,
                CatchupPolicy(window=HOUR, coalesce=Coalesce.ALL, limit=1_000),
                accounted_to=accounted_to,
                next_fire_for=upcoming,
                now=now,
                until=until,
                limit=100,
                runs_left=None if most is None else most - len(runs),
            )
            assert made.next_fire_for is None or made.next_fire_for > upcoming
            runs += made.runs
            unrun += made.unrun
            accounted_to, upcoming = made.accounted_to, made.next_fire_for
            if len(runs) == most:
                break
    expected = kept_one_by_one(schedule, NOON - 30 * SECOND + TICK, accounted_to + TICK)
    assert runs == expected
    told = [(run, run, "run") for run in runs] + [(one.first, one.last, "-") for one in unrun]
    told.sort()
    assert all(one[1] < other[0] for one, other in pairwise(told))
    assert {one.outcome for one in unrun} <= {Outcome.EXCLUDED}
    nominal = nominal_times(
        schedule, after=NOON - 30 * SECOND, before=accounted_to + TICK, limit=MOST
    )
    if steps == catchup_plan.PLAN_STEPS:
        assert sum(one.count or 0 for one in unrun) == len(nominal) - len(runs)
    else:
        times = set(nominal) - set(runs)
        assert all(any(one.first <= at <= one.last for one in unrun) for at in times)


@examples(deadline=None, max_examples=200)
@given(SCHEDULES, PATIENCE, st.integers(60, 3_600), st.integers(1, 12))
def test_the_newest_fire_times_are_found_wherever_searches_stop(
    schedule: Schedule, patience: int, second: int, limit: int
):
    first, before = NOON - 60 * SECOND, NOON + second * SECOND
    expected = kept_one_by_one(schedule, first, before)[-limit:]
    with (
        patch.object(fire_times_module, "PATIENCE", patience),
        patch.object(newest_module, "STOPS", MOST),
    ):
        assert (
            newest(schedule, first, before, limit, counted=50, budget=endless(schedule)) == expected
        )


def test_a_look_back_at_a_long_exclusion_is_bounded_and_finds_what_came_before():
    rule = "DTSTART:20261101T000000\nRRULE:FREQ=SECONDLY"
    schedule = Schedule(
        accepted_at=NOON - HOUR, specs=(Spec(at=NOON),), exclude=(Exclusion(rrule=rule),)
    )
    assert next_fire_time(schedule, after=NOON - TICK) is None
    busy = Schedule(
        accepted_at=NOON - HOUR,
        every=SECOND,
        exclude=(Exclusion(rrule="DTSTART:20261124T120000\nRRULE:FREQ=SECONDLY"),),
    )
    with patch.object(Excluded, "until", autospec=True, side_effect=Excluded.until) as asked:
        found = newest(
            busy, NOON - 5 * SECOND, NOON + 24 * HOUR, 2, counted=5_000, budget=endless(busy)
        )
    assert found == [NOON - 2 * SECOND, NOON - SECOND]
    assert asked.call_count < 4 * newest_module.STOPS * fire_times_module.PATIENCE


def test_the_end_of_a_schedule_is_told_from_the_end_of_a_search():
    rule = "DTSTART:20261124T120000\nRRULE:FREQ=SECONDLY"
    endless = Schedule(accepted_at=NOON, every=SECOND, exclude=(Exclusion(rrule=rule),))
    stopped_at = next_fire_time(endless, after=NOON)
    assert stopped_at is not None
    assert is_excluded(endless, stopped_at)
    assert fire_times(endless, start=stopped_at, until=stopped_at + HOUR, limit=10) == []
    (warning,) = schedule_warnings(endless, now=NOON)
    assert "no further is searched" in warning
    over = Schedule(
        accepted_at=NOON, every=SECOND, end_at=NOON + HOUR / 60, exclude=(Exclusion(rrule=rule),)
    )
    assert next_fire_time(over, after=NOON) is None


def test_a_preview_looks_further_than_one_search():
    rule = f"DTSTART:20261124T120000\nRRULE:FREQ=SECONDLY;UNTIL={NOON + HOUR / 2:%Y%m%dT%H%M%SZ}"
    schedule = Schedule(accepted_at=NOON, every=SECOND, exclude=(Exclusion(rrule=rule),))
    first = next_fire_time(schedule, after=NOON)
    assert first is not None
    assert is_excluded(schedule, first)
    (shown,) = whole_preview(schedule, after=NOON, count=1).times
    assert shown.at == NOON + HOUR / 2 + SECOND


@pytest.mark.parametrize(
    ("spec", "after", "expected"),
    [
        ({"cron": "0 0 0 1 1 * 2099"}, NOON, datetime(2099, 1, 1, tzinfo=UTC)),
        ({"cron": "0 0 0 1 1 * 2099"}, datetime(2099, 1, 1, tzinfo=UTC), None),
        (
            {"rrule": "DTSTART:20950101T000000\nRRULE:FREQ=YEARLY;COUNT=1"},
            NOON,
            datetime(2095, 1, 1, tzinfo=UTC),
        ),
        (
            {
                "cron": "0 0 1 1 *",
                "exclude": (Exclusion(start=date(2026, 1, 1), end=date(2098, 12, 31)),),
            },
            NOON,
            datetime(2099, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_far_years(spec: dict[str, object], after: datetime, expected: datetime | None):
    schedule = Schedule(accepted_at=NOON, **spec)  # type: ignore[arg-type]
    assert next_fire_time(schedule, after=after) == expected
