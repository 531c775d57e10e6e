"""What lists look jobs up by keeps up with whatever changes a job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest

from commands.calendars.put_calendar import PutCalendar, put_calendar
from domain.filters.search_index import terms_of
from domain.jobs.job import Job
from domain.policies.retry import RetryPolicy
from domain.schedules.schedule import Exclusion
from domain.targets.kinds.actor import ActorTarget
from storage.jobs.rows import decode_target
from tests.commands.changing import delete, pause, resume, retarget, update
from tests.commands.firing import NOON, SECOND, Firing, failed

_ROWS = """
SELECT jobs.*, listings.id AS listed, listings.updated_at AS listed_at,
    tsvector_to_array(listings.terms) AS terms
FROM jobs FULL JOIN listings USING (service_id, id)
"""


async def rows(firing: Firing) -> list[asyncpg.Record]:
    """Every job with its listing, which is what it should be."""
    async with firing.database.driver() as driver:
        found = await driver.fetch(_ROWS)
    for row in found:
        terms = terms_of(
            row["service_id"],
            name=row["name"],
            description=row["description"],
            tags=row["tags"],
            target=decode_target(row["target"]),
        )
        assert row["terms"] == sorted(set(terms), key=str.encode)
        assert row["listed_at"] == row["updated_at"]
    return found


Step = Callable[[Firing, UUID], Awaitable[object]]
LATE = NOON + 5 * SECOND
STEPS: dict[str, Step] = {
    "nothing": lambda firing, job_id: rows(firing),
    "pause": lambda firing, job_id: pause(firing.shards, firing.caller, job_id, LATE),
    "retarget": lambda firing, job_id: retarget(firing.shards, firing.caller, job_id),
    "to an actor": lambda firing, job_id: update(
        firing.shards, firing.caller, job_id, LATE, target=ActorTarget(actor="noop")
    ),
    "rename": lambda firing, job_id: update(
        firing.shards,
        firing.caller,
        job_id,
        LATE,
        name="it's \\ new",
        description="ä ö",
        tags=["'"],
    ),
    "retry": lambda firing, job_id: update(
        firing.shards, firing.caller, job_id, LATE, retry=RetryPolicy(max_attempts=1)
    ),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_listing_says_what_the_job_says(firing: Firing, step: str):
    job = await firing.job(at=NOON + timedelta(days=1))
    other = await firing.job(at=NOON + timedelta(days=1))
    await STEPS[step](firing, job.id)
    assert {row["id"] for row in await rows(firing)} == {job.id, other.id}


async def test_a_pause_and_its_end_are_changes(firing: Firing):
    job = await firing.job(at=NOON + timedelta(days=1))
    await pause(firing.shards, firing.caller, job.id, NOON + SECOND)
    await resume(firing.shards, firing.caller, job.id, LATE)
    (row,) = await rows(firing)
    assert row["listed_at"] == LATE


async def test_a_deleted_job_is_not_listed(firing: Firing):
    job = await firing.job(at=NOON + timedelta(days=1))
    await delete(firing.shards, firing.caller, job.id)
    assert await rows(firing) == []


async def test_a_job_that_pauses_by_itself_is_listed_as_changed_then(firing: Firing):
    taken = await firing.running_run()
    gone = msgspec.structs.replace(failed(taken), status_code=410)
    await firing.finish(gone)
    (row,) = await rows(firing)
    assert (row["paused"], row["listed_at"]) == (True, gone.finished_at)


async def test_jobs_change_with_the_calendar_that_they_name(firing: Firing):
    calendar = PutCalendar(caller=firing.caller, name="days", description="", exclude=(), now=NOON)
    await put_calendar(calendar, firing.shards)
    job: Job = await firing.job(every=timedelta(hours=1), exclude=(Exclusion(calendar="days"),))
    closed = (Exclusion(cron="0 0 1 1 *"),)
    await put_calendar(msgspec.structs.replace(calendar, exclude=closed, now=LATE), firing.shards)
    (row,) = await rows(firing)
    assert (row["id"], row["listed_at"], row["version"]) == (job.id, LATE, job.version + 1)


async def test_firing_leaves_listings_alone(firing: Firing):
    await firing.job(every=timedelta(minutes=1))
    async with firing.database.driver() as driver:
        before = await driver.fetch("SELECT xmin, ctid FROM listings")
        for minute in range(1, 4):
            now = NOON + timedelta(minutes=minute)
            assert (await firing.claim(now, now=now)).runs
        assert await driver.fetch("SELECT xmin, ctid FROM listings") == before
