"""Claims after an outage, pauses and edits: what was late, and what the ledger tells of it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from commands.firing.claims.claim_runs import ClaimRuns, claim_runs
from commands.jobs.resume_job import ResumeJob, resume_job
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.overlap import Overlap
from domain.schedules.schedule import Schedule
from tests.commands.changing import NEW_TARGET, delete, pause, resume, update
from tests.commands.firing import NOON, SECOND, Firing, instants_of, succeeded
from tests.commands.telling import told

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
AFTER = NOON + HOUR + SECOND / 2
LATEST = CatchupPolicy()
NONE = CatchupPolicy(window=timedelta(0))
ALL = CatchupPolicy(window=24 * HOUR, coalesce=Coalesce.ALL, limit=1_000)


async def every_minute(firing: Firing, catchup: CatchupPolicy = LATEST, **changes: object) -> UUID:
    """A job that ran at noon and is to run each minute."""
    run = await firing.running_run(every=MINUTE, catchup=catchup, now=NOON, **changes)
    await firing.finish(succeeded(run))
    return run.job_id


async def minutes_run(firing: Firing, job: UUID) -> list[int]:
    return [(one - NOON) // MINUTE for one in instants_of(await firing.runs(job))]


@pytest.mark.promise("misfires", "catchup")
@pytest.mark.parametrize(
    ("catchup", "runs", "entries"),
    [
        (NONE, [0, 60], [(0, 0, "run"), (1, 59, "missed"), (60, 60, "run")]),
        (LATEST, [0, 60], [(0, 0, "run"), (1, 59, "missed"), (60, 60, "run")]),
        (
            CatchupPolicy(window=150 * SECOND),
            [0, 59, 60],
            [
                (0, 0, "run"),
                (1, 57, "missed"),
                (58, 58, "coalesced"),
                (59, 59, "run"),
                (60, 60, "run"),
            ],
        ),
        (
            CatchupPolicy(window=24 * HOUR, coalesce=Coalesce.EARLIEST),
            [0, 1, 60],
            [(0, 0, "run"), (1, 1, "run"), (2, 59, "coalesced"), (60, 60, "run")],
        ),
        (
            CatchupPolicy(window=24 * HOUR, coalesce=Coalesce.ALL, limit=2),
            [0, 58, 59, 60],
            [
                (0, 0, "run"),
                (1, 57, "missed"),
                (58, 58, "run"),
                (59, 59, "run"),
                (60, 60, "run"),
            ],
        ),
    ],
)
async def test_an_hour_without_dispatchers_ends_as_the_policy_says(
    firing: Firing, catchup: CatchupPolicy, runs: list[int], entries: list[tuple[int, int, str]]
):
    job = await every_minute(firing, catchup)
    await firing.claim(AFTER + 5 * SECOND, now=AFTER)
    assert await minutes_run(firing, job) == runs
    assert await told(firing, job, AFTER) == entries


@pytest.mark.promise("two instants")
async def test_each_minute_runs_and_keeps_its_name_when_all_of_them_are_caught_up(firing: Firing):
    job = await every_minute(firing, ALL)
    await firing.claim(AFTER + 5 * SECOND, now=AFTER)
    assert await minutes_run(firing, job) == list(range(61))
    for run in await firing.runs(job):
        assert run["due_at"] == run["scheduled_for"]


@pytest.mark.promise("on time before late")
async def test_what_is_on_time_does_not_wait_for_thousands_that_are_late(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("commands.firing.claims.claim_runs.JOBS_AT_ONCE", 5)
    monkeypatch.setattr("commands.firing.claims.claim_runs.LATE_JOBS_AT_ONCE", 3)
    late = [
        await firing.job(at=NOON + number * MINUTE, now=NOON, catchup=ALL) for number in range(12)
    ]
    on_time = await firing.job(at=AFTER, now=NOON)
    command = ClaimRuns(dispatcher_id=uuid4(), now=AFTER, until=AFTER + 5 * SECOND)
    soon = await claim_runs(command, firing.database)
    assert [run.due_at for run in soon.runs] == [AFTER]
    assert instants_of(await firing.runs(on_time.id)) == [AFTER]
    first = await claim_runs(
        ClaimRuns(dispatcher_id=uuid4(), now=AFTER, until=AFTER, late=True), firing.database
    )
    assert first.full
    newest = [(run.due_at - NOON) // MINUTE for run in first.runs]
    assert sorted(newest) == [9, 10, 11]
    assert [await firing.runs(job.id) for job in late[:9]] == [[]] * 9


async def test_a_run_that_is_due_by_its_jitter_is_on_time_long_after_its_fire_time(firing: Firing):
    job = await firing.job(every=24 * HOUR, jitter=12 * HOUR, now=NOON - 24 * HOUR, catchup=NONE)
    due = (await firing.job_row(job.id))["next_claim_at"]
    fire_time = (await firing.job_row(job.id))["next_fire_for"]
    assert fire_time < due
    command = ClaimRuns(dispatcher_id=uuid4(), now=due, until=due)
    assert [run.due_at for run in (await claim_runs(command, firing.database)).runs] == [due]
    assert instants_of(await firing.runs(job.id)) == [fire_time]


@pytest.mark.promise("two instants")
async def test_lateness_counts_from_when_a_jittered_run_was_due(firing: Firing):
    job = await firing.job(every=24 * HOUR, jitter=12 * HOUR, now=NOON - 24 * HOUR, catchup=LATEST)
    row = await firing.job_row(job.id)
    now = row["next_claim_at"] + MINUTE
    await firing.claim(now, now=now)
    assert instants_of(await firing.runs(job.id)) == [row["next_fire_for"]]


@pytest.mark.promise("resume")
async def test_a_resumed_job_leaves_what_passed_as_paused(firing: Firing):
    job = await every_minute(firing, ALL)
    await pause(firing.shards, firing.caller, job, NOON + 90 * SECOND)
    resumed = await resume(firing.shards, firing.caller, job, AFTER)
    assert resumed.next_fire_at == NOON + 61 * MINUTE
    await firing.claim(AFTER + MINUTE, now=AFTER)
    assert await minutes_run(firing, job) == [0, 61]
    expected = [(0, 0, "run"), (1, 60, "paused"), (61, 61, "run")]
    assert await told(firing, job, AFTER + MINUTE) == expected


@pytest.mark.promise("resume")
async def test_a_job_that_is_resumed_to_catch_up_leaves_what_passed_to_its_policy(firing: Firing):
    job = await every_minute(firing, CatchupPolicy(window=24 * HOUR, coalesce=Coalesce.LATEST))
    await pause(firing.shards, firing.caller, job, NOON + 90 * SECOND)
    command = ResumeJob(caller=firing.caller, job_id=job, now=AFTER, catch_up=True)
    await resume_job(command, firing.shards)
    await firing.claim(AFTER, now=AFTER)
    assert await minutes_run(firing, job) == [0, 59, 60]
    expected = [(0, 0, "run"), (1, 58, "coalesced"), (59, 59, "run"), (60, 60, "run")]
    assert await told(firing, job, AFTER) == expected


async def test_a_pause_lets_go_of_late_and_of_waiting_runs_and_says_so(firing: Firing):
    job = await firing.job(every=MINUTE, catchup=ALL, overlap=Overlap.BUFFER_ALL)
    first, second = sorted((await firing.claim(NOON + MINUTE, now=NOON + MINUTE)).runs)
    rings, waits = await firing.take(
        (first.service_id, first.id), (second.service_id, second.id), until=AFTER
    )
    assert await firing.begin(rings)
    assert not await firing.begin(waits)
    await firing.claim(NOON + 3 * MINUTE, now=NOON + 3 * MINUTE)
    await pause(firing.shards, firing.caller, job.id, NOON + 3 * MINUTE)
    assert await minutes_run(firing, job.id) == [0]
    assert await told(firing, job.id, NOON + 4 * MINUTE + SECOND) == [
        (0, 0, "run"),
        (1, 1, "paused"),
        (2, 2, "paused"),
        (3, 3, "paused"),
        (4, 4, "paused"),
    ]
    await resume(firing.shards, firing.caller, job.id, NOON + 4 * MINUTE + SECOND)
    await firing.claim(NOON + 5 * MINUTE, now=NOON + 5 * MINUTE)
    assert await minutes_run(firing, job.id) == [0, 5]


async def test_a_job_paused_before_its_late_fire_times_were_claimed_has_them_paused(
    firing: Firing,
):
    job = await every_minute(firing, ALL)
    await pause(firing.shards, firing.caller, job, NOON + 10 * MINUTE)
    await resume(firing.shards, firing.caller, job, NOON + 20 * MINUTE)
    assert await told(firing, job, AFTER) == [(0, 0, "run"), (1, 20, "paused")]


async def test_an_edited_schedule_ends_what_the_old_one_left_and_starts_anew(firing: Firing):
    job = await every_minute(firing, ALL)
    now = NOON + 10 * MINUTE
    half_hourly = Schedule(accepted_at=now, every=30 * MINUTE)
    edited = await update(firing.shards, firing.caller, job, now, schedule=half_hourly)
    assert edited.next_fire_at == NOON + 30 * MINUTE
    await firing.claim(AFTER, now=AFTER)
    assert await told(firing, job, AFTER) == [
        (0, 0, "run"),
        (1, 9, "cancelled"),
        (30, 30, "run"),
        (60, 60, "run"),
    ]


async def test_what_both_schedules_name_at_the_instant_of_the_edit_runs_once(firing: Firing):
    job = await firing.job(every=MINUTE)
    await firing.claim(NOON + MINUTE)
    now = NOON + MINUTE
    schedule = Schedule(accepted_at=now, every=30 * SECOND)
    await update(firing.shards, firing.caller, job.id, now, schedule=schedule)
    await firing.claim(now + SECOND, now=now)
    assert await told(firing, job.id, now) == [(0, 0, "run"), (1, 1, "run")]


async def test_a_paused_job_tells_of_both_schedules_when_it_is_edited(firing: Firing):
    job = await every_minute(firing)
    await pause(firing.shards, firing.caller, job, NOON + 30 * SECOND)
    now = NOON + 5 * MINUTE
    schedule = Schedule(accepted_at=now, every=5 * MINUTE)
    await update(firing.shards, firing.caller, job, now, schedule=schedule)
    assert await told(firing, job, NOON + 7 * MINUTE) == [
        (0, 0, "run"),
        (1, 4, "paused"),
        (5, 5, "paused"),
    ]
    await resume(firing.shards, firing.caller, job, NOON + 12 * MINUTE)
    await firing.claim(NOON + 15 * MINUTE, now=NOON + 15 * MINUTE)
    assert (await told(firing, job, AFTER))[2:] == [(5, 10, "paused"), (15, 15, "run")]


async def test_an_edit_of_a_late_job_changes_the_target_of_what_is_caught_up(firing: Firing):
    job = await every_minute(firing, ALL)
    await firing.claim(AFTER, now=AFTER)
    await update(firing.shards, firing.caller, job, AFTER, target=NEW_TARGET)
    rows = await firing.runs(job)
    assert len(rows) == 61
    taken = await firing.take((rows[30]["service_id"], rows[30]["id"]), until=AFTER)
    assert [run.target for run in taken] == [NEW_TARGET]
    assert (await firing.claim(AFTER, now=AFTER)).runs == []
    assert await told(firing, job, AFTER) == [(n, n, "run") for n in range(61)]


async def test_an_edited_overlap_holds_for_runs_that_have_not_begun(firing: Firing):
    job = await firing.job(every=SECOND)
    await firing.claim(NOON + 2 * SECOND)
    now = NOON + SECOND
    await update(firing.shards, firing.caller, job.id, now, overlap=Overlap.BUFFER_ALL)
    await firing.claim(NOON + 2 * SECOND, now=now)
    assert [run["overlap"] for run in await firing.runs(job.id)] == [Overlap.BUFFER_ALL] * 3


async def test_a_new_catch_up_policy_holds_for_what_is_late_already(firing: Firing):
    job = await every_minute(firing, NONE)
    await update(firing.shards, firing.caller, job, AFTER, catchup=ALL)
    await firing.claim(AFTER, now=AFTER)
    assert await minutes_run(firing, job) == list(range(61))


async def test_a_deleted_late_job_is_not_caught_up(firing: Firing):
    job = await every_minute(firing, ALL)
    await delete(firing.shards, firing.caller, job, AFTER)
    assert (await firing.claim(AFTER, now=AFTER)).runs == []
    assert await minutes_run(firing, job) == [0]
