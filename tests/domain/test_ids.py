"""Ids that sort by time, and run ids that are computed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.ids import fire_time_window, new_id, run_id
from tests.domain.instants import instants

JOBS = st.uuids()
FIRE_TIMES = instants(1970, 9999)


@given(JOBS, FIRE_TIMES)
def test_a_run_has_the_same_id_whoever_computes_it(job: UUID, fire_time: datetime):
    elsewhere = fire_time.astimezone().replace(fold=0)
    assert run_id(job, fire_time) == run_id(UUID(str(job)), elsewhere)


def test_a_runs_id_never_changes_between_releases():
    job = UUID("0199e0a0-0000-7000-8000-000000000001")
    fire_time = datetime(2026, 3, 29, 1, 30, 0, 123_456, tzinfo=UTC)
    assert run_id(job, fire_time) == UUID("019d3736-523b-78a8-883c-cb72071b1aef")


@given(JOBS, FIRE_TIMES)
def test_a_runs_id_is_a_uuid_of_version_7(job: UUID, fire_time: datetime):
    made = run_id(job, fire_time)
    assert made.version == 7
    assert made.variant == RFC_4122


@given(st.lists(st.tuples(JOBS, FIRE_TIMES), unique=True))
def test_runs_of_another_job_or_instant_have_another_id(fires: list[tuple[UUID, datetime]]):
    assert len({run_id(job, fire_time) for job, fire_time in fires}) == len(fires)


@given(JOBS, FIRE_TIMES)
def test_fire_times_a_microsecond_apart_are_different_runs(job: UUID, fire_time: datetime):
    assert run_id(job, fire_time) != run_id(job, fire_time + timedelta(microseconds=1))


@given(JOBS, JOBS, FIRE_TIMES, FIRE_TIMES)
def test_run_ids_sort_by_fire_time(one: UUID, other: UUID, first: datetime, second: datetime):
    earlier, later = sorted((first, second))
    assume(later - earlier >= timedelta(milliseconds=1))
    assert run_id(one, earlier) < run_id(other, later)


@given(JOBS, FIRE_TIMES)
def test_a_runs_id_tells_its_fire_time_to_the_millisecond(job: UUID, fire_time: datetime):
    start, end = fire_time_window(run_id(job, fire_time))
    assert start <= fire_time < end
    assert end - start == timedelta(milliseconds=1)


def test_new_ids_are_version_7_and_sort_by_their_making():
    made = [new_id() for _ in range(1_000)]
    assert {one.version for one in made} == {7}
    assert made == sorted(set(made))
