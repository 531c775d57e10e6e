"""An edit of a schedule: an equal one changes nothing, another one keeps what both name."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from commands.firing.claims.claim_runs import ClaimRuns, claim_runs
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.errors import Invalid
from domain.jobs.job import JobState
from domain.policies.catchup import CatchupPolicy
from domain.policies.overlap import Overlap
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Exclusion, Schedule
from storage.postgres.pools import Database
from tests.commands.changing import pause, resume, update
from tests.commands.firing import ALL_OF_THEM, NOON, SECOND, Firing, instants_of, succeeded
from tests.commands.telling import told

MINUTE = 60 * SECOND
SKIP = {"overlap": Overlap.SKIP}


async def seconds_run(firing: Firing, job_id: UUID) -> list[int]:
    return [(one - NOON) // SECOND for one in instants_of(await firing.runs(job_id))]


async def save(firing: Firing, job_id: UUID, now: datetime, **spec: object) -> Schedule:
    schedule = Schedule(accepted_at=now, **spec)  # type: ignore[arg-type]
    return (await update(firing.shards, firing.caller, job_id, now, schedule=schedule)).schedule


@pytest.mark.promise("equal schedule")
@pytest.mark.parametrize(
    "spec",
    [
        {"every": SECOND},
        {"every": SECOND, "jitter": 5 * SECOND, "max_runs": 20},
        {"cron": "0 12 * * *", "timezone": "UTC", "exclude": (Exclusion(cron="* * * * sat#5"),)},
        {"at": NOON + SECOND},
        {"after": SECOND},
    ],
)
async def test_a_schedule_that_is_saved_again_changes_nothing(
    firing: Firing, spec: dict[str, object]
):
    job = await firing.job(catchup=ALL_OF_THEM, **spec)
    await firing.claim(NOON + 3 * SECOND)
    before = [dict(row) for row in (*await firing.runs(job.id), await firing.job_row(job.id))]
    for _ in range(2):
        await save(firing, job.id, NOON + 2 * SECOND, **spec)
    after = [dict(row) for row in (*await firing.runs(job.id), await firing.job_row(job.id))]
    assert after == before


@pytest.mark.parametrize(
    ("spec", "again"),
    [
        ({"cron": "0 12 * * MON-FRI"}, {"cron": "0  12 *  * mon-fri"}),
        ({"cron": "@hourly"}, {"cron": "0 * * * *"}),
        ({"every": SECOND}, {"specs": (Spec(every=SECOND),)}),
        (
            {"specs": (Spec(every=SECOND), Spec(after=SECOND))},
            {"specs": (Spec(after=SECOND), Spec(every=SECOND))},
        ),
        (
            {"rrule": "DTSTART:20200101T120000\nRRULE:FREQ=DAILY;INTERVAL=1"},
            {"rrule": "DTSTART:20200101T120000\r\nRRULE:INTERVAL=1;FREQ=daily"},
        ),
    ],
)
async def test_one_that_is_only_written_otherwise_is_stored_and_nothing_else(
    firing: Firing, spec: dict[str, object], again: dict[str, object]
):
    job = await firing.job(catchup=ALL_OF_THEM, **spec)
    await firing.claim(NOON + 3 * SECOND)
    runs, row = await firing.runs(job.id), await firing.job_row(job.id)
    stored = await save(firing, job.id, NOON + 2 * SECOND, **again)
    assert all(getattr(stored, name) == value for name, value in again.items())
    assert stored.accepted_at == job.schedule.accepted_at
    assert await firing.runs(job.id) == runs
    after = await firing.job_row(job.id)
    same = ("next_fire_for", "next_claim_at", "accounted_to", "claimed_for", "run_count")
    assert [after[name] for name in same] == [row[name] for name in same]
    assert after["version"] == row["version"] + 1


async def test_another_schedule_keeps_late_runs_that_it_names_and_cancels_the_others(
    firing: Firing,
):
    job = await firing.job(every=SECOND, overlap=Overlap.BUFFER_ALL)
    await firing.claim(NOON + 6 * SECOND)
    run = (await firing.runs(job.id))[0]
    (rings,) = await firing.take((run["service_id"], run["id"]))
    assert await firing.begin(rings)
    now = NOON + 4.5 * SECOND
    await save(firing, job.id, now, every=2 * SECOND)
    await firing.claim(NOON + 6 * SECOND, now=now)
    assert await told(firing, job.id, NOON + 6 * SECOND, unit=1) == [
        (0, 0, "run"),
        (1, 1, "cancelled"),
        (2, 2, "run"),
        (3, 3, "cancelled"),
        (4, 4, "run"),
        (6, 6, "run"),
    ]


async def test_a_run_that_waits_for_its_turn_or_its_jitter_survives_a_longer_jitter(
    firing: Firing,
):
    job = await firing.job(every=MINUTE, jitter=30 * SECOND, overlap=Overlap.BUFFER_ALL)
    await firing.claim(NOON + MINUTE)
    first = (await firing.runs(job.id))[0]
    await save(firing, job.id, NOON + SECOND / 1_000, every=MINUTE, jitter=50 * SECOND)
    kept = (await firing.runs(job.id))[0]
    assert (kept["scheduled_for"], kept["due_at"]) == (first["scheduled_for"], first["due_at"])


async def test_what_is_late_and_unclaimed_runs_if_both_name_it(firing: Firing):
    job = await firing.job(every=SECOND, catchup=ALL_OF_THEM)
    await firing.claim(NOON)
    now = NOON + 4.5 * SECOND
    await save(firing, job.id, now, every=2 * SECOND)
    await firing.claim(now, now=now)
    assert await told(firing, job.id, now, unit=1) == [
        (0, 0, "run"),
        (1, 1, "cancelled"),
        (2, 2, "run"),
        (3, 3, "cancelled"),
        (4, 4, "run"),
    ]
    assert {row["state"] for row in await firing.runs(job.id)} == {"scheduled"}


async def test_what_is_late_and_unclaimed_is_left_to_the_catch_up_policy(firing: Firing):
    job = await firing.job(every=SECOND, catchup=CatchupPolicy(window=timedelta(0)))
    await firing.claim(NOON)
    now = NOON + 4.5 * SECOND
    await save(firing, job.id, now, every=2 * SECOND)
    assert await seconds_run(firing, job.id) == [0, 4]


@pytest.mark.promise("equal schedule")
async def test_saves_and_claims_around_the_due_instant_lose_no_run_and_double_none(
    firing: Firing, other_database: Database
):
    """Schedules that differ, and all name each second."""
    specs = [{"every": SECOND}, {"every": SECOND, "end_at": NOON + MINUTE}, {"cron": "* * * * * *"}]
    job = await firing.job(every=SECOND, catchup=ALL_OF_THEM)

    async def claim(now: datetime, database: Database) -> None:
        command = ClaimRuns(dispatcher_id=uuid4(), now=now, until=now + SECOND)
        await claim_runs(command, database)

    for step in range(24):
        now = NOON + step * SECOND / 4
        await asyncio.gather(
            claim(now, other_database),
            save(firing, job.id, now, **specs[step % 3]),
            save(firing, job.id, now + SECOND / 100, **specs[(step + 1) % 3]),
            claim(now + SECOND / 50, firing.database),
        )
    await firing.claim(NOON + 6 * SECOND, now=NOON + 6 * SECOND)
    assert await told(firing, job.id, NOON + 6 * SECOND, unit=1) == [
        (n, n, "run") for n in range(7)
    ]


@pytest.mark.parametrize("spec", [{"at": NOON}, {"after": timedelta(0)}])
async def test_a_completed_job_stays_so_when_it_is_saved_again(
    firing: Firing, spec: dict[str, object]
):
    run = await firing.running_run(now=NOON, **spec)
    await firing.finish(succeeded(run))
    later = NOON + MINUTE
    schedule = Schedule(accepted_at=later, **spec)  # type: ignore[arg-type]
    saved = await update(firing.shards, firing.caller, run.job_id, later, schedule=schedule)
    assert saved.state is JobState.COMPLETED
    await firing.claim(later + MINUTE, now=later + MINUTE)
    assert await seconds_run(firing, run.job_id) == [0]


async def test_a_delay_counts_from_when_it_was_accepted_first(firing: Firing):
    run = await firing.running_run(now=NOON, after=SECOND)
    await firing.finish(succeeded(run))
    with pytest.raises(Invalid, match="never fires"):
        await save(firing, run.job_id, NOON + MINUTE, after=SECOND, jitter=SECOND)
    await save(firing, run.job_id, NOON + MINUTE, after=2 * SECOND)
    await firing.claim(NOON + 2 * MINUTE, now=NOON + MINUTE)
    assert await seconds_run(firing, run.job_id) == [1, 62]


async def test_a_one_shot_that_waits_may_have_its_bounds_changed(firing: Firing):
    run = await firing.queued_run(now=NOON, at=NOON + SECOND)
    await save(firing, run.job_id, NOON + 2 * SECOND, at=NOON + SECOND, end_at=NOON + MINUTE)
    assert await firing.start(run, now=NOON + 2 * SECOND) == {run.id}


async def test_a_last_run_that_waits_can_be_paused_after_an_edit_too(firing: Firing):
    run = await firing.queued_run(now=NOON, at=NOON + SECOND)
    now = NOON + 2 * SECOND
    await save(firing, run.job_id, now, at=NOON + SECOND, end_at=NOON + MINUTE)
    await pause(firing.shards, firing.caller, run.job_id, now)
    assert await firing.start(run, now=now) == set()
    assert await told(firing, run.job_id, now, unit=1) == [(1, 1, "paused")]


class TestMaxRuns:
    """How often the job fires in all, whatever becomes of its schedule."""

    async def has_run(self, firing: Firing, times: int, **spec: object) -> UUID:
        job = await firing.job(every=SECOND, catchup=ALL_OF_THEM, **spec)
        for number in range(times):
            await firing.claim(NOON + number * SECOND, now=NOON + number * SECOND)
            row = (await firing.runs(job.id))[-1]
            (run,) = await firing.take((row["service_id"], row["id"]))
            assert await firing.begin(run)
            await firing.finish(succeeded(run))
        return job.id

    async def runs_in_all(self, firing: Firing, job_id: UUID) -> int:
        for number in range(1, 40):
            now = NOON + 20 * SECOND + number * SECOND
            await firing.claim(now, now=now)
        return len(await firing.runs(job_id))

    @pytest.mark.parametrize(
        ("spec", "runs"),
        [
            ({"every": SECOND, "max_runs": 3}, 3),
            ({"every": 2 * SECOND, "max_runs": 3}, 3),
            ({"every": SECOND, "max_runs": 6}, 6),
            ({"every": SECOND, "max_runs": 1}, 2),
        ],
    )
    async def test_runs_count_on(self, firing: Firing, spec: dict[str, object], runs: int):
        job_id = await self.has_run(firing, 2, max_runs=3)
        await save(firing, job_id, NOON + 20 * SECOND, **spec)
        assert await self.runs_in_all(firing, job_id) == runs

    async def test_a_job_that_has_had_its_runs_gets_more_where_more_are_allowed(
        self, firing: Firing
    ):
        job_id = await self.has_run(firing, 3, max_runs=3)
        now = NOON + 20 * SECOND
        await firing.claim(now, now=now)
        await save(firing, job_id, now, cron="* * * * * *", max_runs=3)
        assert await self.runs_in_all(firing, job_id) == 3
        later = NOON + 60 * SECOND
        schedule = Schedule(accepted_at=later, every=SECOND, max_runs=5)
        edited = await update(firing.shards, firing.caller, job_id, later, schedule=schedule)
        assert edited.state is JobState.ACTIVE
        await firing.claim(later + 30 * SECOND, now=later)
        assert len(await firing.runs(job_id)) == 5

    async def test_they_are_counted_anew_on_an_explicit_wish_only(self, firing: Firing):
        job_id = await self.has_run(firing, 3, max_runs=3)
        now = NOON + 20 * SECOND
        edited = await update(firing.shards, firing.caller, job_id, now, reset_run_count=True)
        assert (edited.state, edited.version) == (JobState.ACTIVE, 2)
        assert await self.runs_in_all(firing, job_id) == 6

    async def test_a_bound_that_comes_later_counts_from_then_on(self, firing: Firing):
        job_id = await self.has_run(firing, 3)
        await save(firing, job_id, NOON + 2.5 * SECOND, every=SECOND, max_runs=2)
        assert await self.runs_in_all(firing, job_id) == 5

    async def test_a_pause_and_an_edit_meanwhile_do_not_start_it_anew(self, firing: Firing):
        job_id = await self.has_run(firing, 2, max_runs=3)
        now = NOON + 10 * SECOND
        await pause(firing.shards, firing.caller, job_id, now)
        await save(firing, job_id, now, every=2 * SECOND, max_runs=3)
        await resume(firing.shards, firing.caller, job_id, now + SECOND)
        assert await self.runs_in_all(firing, job_id) == 3

    async def test_a_run_of_the_schedule_before_that_is_let_go_is_given_back(self, firing: Firing):
        job = await firing.job(every=SECOND, max_runs=2, **SKIP)
        await firing.claim(NOON + SECOND)
        keys = [(row["service_id"], row["id"]) for row in await firing.runs(job.id)]
        first, second = await firing.take(*keys)
        assert await firing.begin(first)
        await save(firing, job.id, NOON + 1.5 * SECOND, every=SECOND / 1, max_runs=2, jitter=SECOND)
        assert not await firing.begin(second, now=NOON + 2 * SECOND)
        assert await firing.state(second.id) == "skipped_overlap"
        await firing.finish(succeeded(first))
        await firing.claim(NOON + 20 * SECOND, now=NOON + 2 * SECOND)
        states = [row["state"] for row in await firing.runs(job.id)]
        assert states == ["succeeded", "skipped_overlap", "scheduled"]

    async def test_a_cancelled_run_stays_cancelled(self, firing: Firing):
        job = await firing.job(every=SECOND)
        await firing.claim(NOON + SECOND)
        run = (await firing.runs(job.id))[1]
        await cancel_run(CancelRun(caller=firing.caller, run_id=run["id"], now=NOON), firing.shards)
        await save(firing, job.id, NOON + SECOND / 2, every=SECOND, jitter=SECOND)
        await firing.claim(NOON + 2 * SECOND, now=NOON + SECOND)
        assert await firing.state(run["id"]) == "cancelled"
