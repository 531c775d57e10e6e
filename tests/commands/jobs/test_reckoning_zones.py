"""Newer tables of time zones: stored fire times are reckoned anew, once, and never back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from commands.jobs import reckon_zones as module
from commands.jobs.reckon_zones import Reckoned, ReckonZones, reckon_zones
from domain.ids import run_id
from domain.jobs.job import Job
from queries.jobs.get_job import GetJob, get_job
from storage.jobs.zone_tables import SETTLE, version_of_jobs
from storage.postgres.heartbeats import LAPSE
from tests.commands.firing import Firing

VANCOUVER = {"cron": "0 9 * * *", "timezone": "America/Vancouver"}
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
OLD, NEW, NEWEST = "2025b", "2026f", "2027a"
NOW = datetime.now(UTC)
Look = Callable[..., Awaitable[Reckoned]]


@pytest.fixture
async def look(firing: Firing) -> AsyncIterator[Look]:
    """A look of a dispatcher that beats; all jobs but a test's own are gone."""

    async def look(
        process: UUID, version: str = NEW, *, starts: bool = False, at_once: int = 200
    ) -> Reckoned:
        await firing.beat(process, kind="dispatcher", tzdata=version)
        command = ReckonZones(
            process_id=process, version=version, now=NOW, starts=starts, at_once=at_once
        )
        return await reckon_zones(command, firing.shard)

    yield look
    await firing.rows("DELETE FROM zone_tables")


async def older(firing: Firing, *, by: timedelta = HOUR, **spec: object) -> Job:
    """A job as older tables have it: its next fire time is another one."""
    job = await firing.job(now=NOW, **(spec or VANCOUVER))
    await firing.rows(
        "UPDATE jobs SET next_fire_for = next_fire_for + $2::interval, "
        "next_claim_at = next_claim_at + $2::interval WHERE id = $1",
        job.id,
        by,
    )
    return job


async def next_of(firing: Firing, job: Job) -> tuple[datetime | None, int]:
    (row,) = await firing.rows("SELECT next_fire_for, version FROM jobs WHERE id = $1", job.id)
    return row["next_fire_for"], row["version"]


async def due_again(firing: Firing) -> None:
    """The time passes after which nobody is expected who has other tables."""
    statement = "UPDATE zone_tables SET settled_from = clock_timestamp()"
    await firing.rows(statement)


@pytest.mark.promise("time zones")
async def test_only_what_newer_tables_move_is_changed_and_told(firing: Firing, look: Look):
    moved = await older(firing)
    earlier = await older(firing, by=-HOUR)
    right = await firing.job(now=NOW, **VANCOUVER)
    utc = await older(firing, cron="0 9 * * *")
    before, _ = await next_of(firing, utc)
    done = await look(uuid4())
    assert done == Reckoned(moved=2)
    assert await next_of(firing, moved) == (moved.next_fire_at, 2)
    assert await next_of(firing, earlier) == (moved.next_fire_at, 2)
    assert await next_of(firing, right) == (right.next_fire_at, 1)
    assert await next_of(firing, utc) == (before, 1)
    rows = await firing.rows(
        "SELECT object_id, principal, details::text FROM audit "
        "WHERE service_id = $1 AND action = 'job.fire_time_moved' ORDER BY object_id",
        firing.caller.service_id,
    )
    assert [row["object_id"] for row in rows] == sorted([moved.id, earlier.id])
    details = msgspec.json.decode(rows[0]["details"])
    assert details["tzdata"] == NEW
    assert set(details["before"]) == set(details["after"]) == {"next_fire_at"}
    assert rows[0]["principal"] == "dispatcher"
    read = await get_job(
        GetJob(service_id=firing.caller.service_id, job_id=moved.id, now=NOW), firing.shards
    )
    assert moved.next_fire_at is not None
    assert f"{moved.next_fire_at:%Y-%m-%dT%H:%M}" in read.body.decode()


async def test_a_pass_is_made_in_batches_and_goes_on_where_a_dead_process_got_to(
    firing: Firing, look: Look
):
    look = partial(look, at_once=2)
    jobs = [await older(firing) for _ in range(5)]
    first, second, third = uuid4(), uuid4(), uuid4()
    done = await look(first)
    assert (done.moved, done.reached is None) == (2, False)
    assert await look(second) == Reckoned()  # one process makes it
    await firing.beat(first, kind="dispatcher", tzdata=NEW, ago=LAPSE + SECOND)
    assert (await look(second)).moved == 2
    assert await look(second) == Reckoned(moved=1)
    assert await look(third) == Reckoned()
    assert {await next_of(firing, job) for job in jobs} == {(jobs[0].next_fire_at, 2)}


async def test_a_process_that_dies_within_a_batch_has_nothing_told_twice(
    firing: Firing, look: Look, monkeypatch: pytest.MonkeyPatch
):
    jobs = [await older(firing) for _ in range(2)]
    first = uuid4()

    async def dies(*_: object) -> bool:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(module, "note_reached", dies)
        with pytest.raises(ConnectionResetError):
            await look(first)
    await firing.beat(first, kind="dispatcher", tzdata=NEW, ago=LAPSE + SECOND)
    assert await look(uuid4()) == Reckoned()
    assert {await next_of(firing, job) for job in jobs} == {(jobs[0].next_fire_at, 2)}


@pytest.mark.promise("time zones")
async def test_older_tables_never_move_anything_back(firing: Firing, look: Look):
    new, old = uuid4(), uuid4()
    await look(new, NEW)
    job = await older(firing)
    before = await next_of(firing, job)
    assert await look(old, OLD, starts=True) == Reckoned()
    assert await next_of(firing, job) == before
    (row,) = await firing.rows("SELECT version FROM zone_tables")
    assert row["version"] == NEW


async def test_what_an_older_process_wrote_is_found_when_it_is_gone(firing: Firing, look: Look):
    new, old = uuid4(), uuid4()
    await firing.beat(old, kind="dispatcher", tzdata=None)  # from before tables were told
    await look(new)
    job = await older(firing)  # as a dispatcher with other tables moved it on
    assert await look(new) == Reckoned()
    await due_again(firing)
    assert (await look(new)).moved == 1  # while it still works, from time to time
    again = await older(firing)
    await firing.beat(old, kind="dispatcher", tzdata=None, ago=LAPSE + SECOND)
    assert await look(new) == Reckoned()
    await due_again(firing)
    assert (await look(new)).moved == 1  # and for the last time
    await due_again(firing)
    await firing.rows("UPDATE zone_tables SET settled_from = began_at")
    late = await older(firing)
    assert await look(new) == Reckoned()
    assert (await next_of(firing, job))[1] == (await next_of(firing, again))[1] == 2
    assert (await next_of(firing, late))[1] == 1


async def test_a_dispatcher_that_starts_alone_looks_and_one_among_others_does_not(
    firing: Firing, look: Look
):
    await look(uuid4())
    await firing.rows("UPDATE zone_tables SET settled_from = began_at")
    await older(firing)
    assert await look(uuid4(), starts=True) == Reckoned()
    await firing.rows("DELETE FROM workers")
    assert (await look(uuid4(), starts=True)).moved == 1


async def test_newer_tables_take_over_from_a_pass_under_way(firing: Firing, look: Look):
    look = partial(look, at_once=1)
    for _ in range(2):
        await older(firing)
    new, newest = uuid4(), uuid4()
    assert (await look(new, NEW)).moved == 1
    assert (await look(newest, NEWEST)).reached is not None
    assert await look(new, NEW) == Reckoned()
    assert (await look(newest, NEWEST)).moved == 1
    (row,) = await firing.rows("SELECT version, settled_from - began_at AS rest FROM zone_tables")
    assert (row["version"], row["rest"]) == (NEWEST, SETTLE)


@pytest.mark.promise("time zones")
async def test_what_is_claimed_already_rings_once_and_is_not_lost(firing: Firing, look: Look):
    # As if tables before had been an hour further east: today's nine o'clock was claimed at eight.
    job = await firing.job(now=NOW, **VANCOUVER)
    assert job.next_fire_at is not None
    early = job.next_fire_at - HOUR
    statement = "UPDATE jobs SET next_fire_for = $2, next_claim_at = $2 WHERE id = $1"
    await firing.rows(statement, job.id, early)
    await firing.claim(early, now=early)
    await firing.rows("UPDATE runs SET utc_offset = utc_offset + 3600 WHERE job_id = $1", job.id)
    await firing.rows(statement, job.id, early + timedelta(days=1))
    assert (await look(uuid4())).moved == 1
    upcoming, _ = await next_of(firing, job)
    assert upcoming == job.next_fire_at + timedelta(days=1)
    (run,) = await firing.runs(job.id)
    assert run["id"] == run_id(job.id, early)
    assert run["state"] == "scheduled"


async def test_a_job_whose_zone_is_no_more_keeps_no_other_from_being_reckoned(
    firing: Firing, look: Look
):
    moved, broken = await older(firing), await older(firing)
    await firing.rows(
        "UPDATE jobs SET schedule = replace(schedule::text, 'America/Vancouver', 'No/Where')::json "
        "WHERE id = $1",
        broken.id,
    )
    with capture_logs() as told:
        assert await look(uuid4()) == Reckoned(moved=1)
    assert await next_of(firing, moved) == (moved.next_fire_at, 2)
    said = [line for line in told if line["event"] == "zones.job_not_reckoned"]
    assert [line["job_id"] for line in said] == [str(broken.id)]


async def test_before_the_schema_nobody_has_reckoned_and_postgres_logs_no_error(
    firing: Firing,
) -> None:
    async with firing.database.driver() as driver:
        transaction = driver.transaction()
        await transaction.start()
        await driver.execute("ALTER TABLE zone_tables RENAME TO not_there_yet")
        version = await version_of_jobs(driver)
        await transaction.rollback()
    assert version is None
