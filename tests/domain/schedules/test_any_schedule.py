"""Whatever schedule is valid can be described, previewed and warned of."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedules.checks import check_schedule
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.description import describe
from domain.schedules.kinds import Spec
from domain.schedules.preview import preview
from domain.schedules.schedule import Exclusion, Schedule
from domain.schedules.warnings import schedule_warnings
from tests.domain.examples import examples
from tests.domain.instants import instants

DAY = timedelta(days=1)

SPECS = st.one_of(
    st.builds(Spec, at=instants(2026, 2030)),
    st.builds(Spec, after=st.timedeltas(timedelta(0), 400 * DAY)),
    st.builds(Spec, every=st.timedeltas(timedelta(seconds=1), 400 * DAY)),
    st.builds(
        Spec,
        cron=st.tuples(
            st.sampled_from(["0", "*/7", "H", "1~5", "5,10-20/3", "H/7", "*"]),
            st.sampled_from(["*", "1", "*/5", "9-17", "H(0-7)"]),
            st.sampled_from(["*", "1", "L", "15W", "*/2", "L-3,1", "?"]),
            st.sampled_from(["*", "JAN-MAR", "*/5", "H"]),
            st.sampled_from(["*", "MON", "5L", "MON#1,FRI", "*/2", "H"]),
        ).map(" ".join),
    ),
    st.builds(
        Spec,
        rrule=st.tuples(
            st.sampled_from(
                ["DTSTART:20261124T013000", "DTSTART;TZID=Africa/Cairo:20260101T000000"]
            ),
            st.sampled_from(["DAILY", "MONTHLY;BYDAY=-1SU", "HOURLY;INTERVAL=5", "YEARLY;COUNT=3"]),
        ).map("\nRRULE:FREQ=".join),
    ),
)
EXCLUSIONS = st.one_of(
    st.builds(Exclusion, date=st.dates(date(2026, 1, 1), date(2030, 1, 1))),
    st.builds(Exclusion, cron=st.sampled_from(["* * * * SAT", "0 * * * *"])),
    st.builds(Exclusion, calendar=st.just("holidays")),
)
SCHEDULES = st.builds(
    Schedule,
    accepted_at=instants(2026, 2028),
    specs=st.lists(SPECS, min_size=1, max_size=3).map(tuple),
    seed=st.sampled_from(["", "job"]),
    timezone=st.sampled_from(["UTC", "Europe/London", "Africa/Casablanca", "Australia/Lord_Howe"]),
    exclude=st.lists(EXCLUSIONS, max_size=3).map(tuple),
    max_runs=st.none() | st.integers(1, 5),
    jitter=st.timedeltas(timedelta(0), DAY),
    gap=st.sampled_from(Gap),
    fold=st.sampled_from(Fold),
)


@examples(deadline=None)
@given(SCHEDULES, st.none() | st.timedeltas(timedelta(0), DAY))
def test_every_valid_schedule_is_described_previewed_and_warned_of(
    schedule: Schedule, usual_duration: timedelta | None
):
    try:
        check_schedule(schedule)
    except Invalid:
        return
    now = schedule.accepted_at
    sentences = schedule_warnings(schedule, now=now, usual_duration=usual_duration)
    assert all(sentence.endswith(".") for sentence in (describe(schedule), *sentences))
    assert len(preview(schedule, after=now, count=5).times) <= 5
