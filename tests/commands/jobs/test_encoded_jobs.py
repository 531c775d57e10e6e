"""What memory keeps of jobs is what Postgres has."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import msgspec

from domain.targets.kinds.http import HttpTarget
from queries.jobs.get_job import GetJob, get_job
from storage.cache.encoded_jobs import JOB_MARKS, EncodedJobs, Shown
from storage.cache.page_bytes import PAGE_BYTES
from storage.documents.schedule import ScheduleResource
from storage.postgres.pools import Driver
from tests.commands.changing import delete, pause, update
from tests.commands.firing import DUE, NOON, SECOND, Firing


async def marks(driver: Driver) -> list[asyncpg.Record]:
    return await driver.fetch(f"SELECT {JOB_MARKS} FROM jobs ORDER BY id")


async def shown(firing: Firing, kept: EncodedJobs, now=NOON) -> Shown:
    async with firing.database.driver() as driver:
        found = await kept.of(driver, firing.caller.service_id, await marks(driver), now)
    assert found is not None
    return found


async def by_id(firing: Firing, job_id, now=NOON) -> bytes:
    query = GetJob(service_id=firing.caller.service_id, job_id=job_id, now=now)
    return (await get_job(query, firing.shards)).body


async def reads(firing: Firing, kept: EncodedJobs, now=NOON) -> int:
    """How many jobs are read to show them all."""
    asked: list[int] = []
    read = kept._read

    async def counting(driver, service_id, job_ids, instant):
        asked.append(len(job_ids))
        return await read(driver, service_id, job_ids, instant)

    kept._read = counting
    await shown(firing, kept, now)
    kept._read = read
    return sum(asked)


async def test_only_what_changed_is_read_again(firing: Firing):
    made = [await firing.job(every=timedelta(days=1)) for _ in range(3)]
    kept = EncodedJobs()
    assert await reads(firing, kept) == 3
    assert await reads(firing, kept) == 0
    await pause(firing.shards, firing.caller, made[0].id, NOON)
    await update(firing.shards, firing.caller, made[1].id, NOON, name="another")
    assert await reads(firing, kept) == 2
    jobs = (await shown(firing, kept)).jobs
    assert [bytes(job) for job in jobs] == [await by_id(firing, job.id) for job in made]


async def test_what_fires_is_shown_with_its_next_fire_time(firing: Firing):
    job = await firing.job(cron="* * * * * *")
    kept = EncodedJobs()
    for now in (NOON, DUE, DUE + SECOND):
        found = await shown(firing, kept, now)
        (item,) = [msgspec.json.decode(one) for one in found.jobs]
        assert item["id"] == str(job.id)
        assert found.changes_at == msgspec.convert(item["next_fire_at"], type=type(now))
        await firing.claim(until=now + 2 * SECOND, now=now)


async def test_what_is_stored_of_a_schedule_beside_it_is_not_shown(firing: Firing):
    """Such as when its runs began to count, once it was changed."""
    job = await firing.job(every=timedelta(days=1))
    another = msgspec.structs.replace(job.schedule, every=timedelta(hours=5), accepted_at=DUE)
    await update(firing.shards, firing.caller, job.id, DUE, schedule=another)
    (read,) = (await shown(firing, EncodedJobs(), DUE)).jobs
    told = msgspec.json.decode(read)["schedule"]
    assert told == msgspec.to_builtins(ScheduleResource.of(another))


async def test_a_page_is_of_one_moment(firing: Firing):
    """What changes between the two looks is not mixed with what the first one saw."""
    changed, deleted = [await firing.job(every=timedelta(days=1)) for _ in range(2)]
    kept, service_id = EncodedJobs(), firing.caller.service_id
    async with firing.database.driver() as driver:
        rows = await marks(driver)
        await update(firing.shards, firing.caller, changed.id, NOON, name="another")
        assert await kept.of(driver, service_id, rows, NOON) is None
        rows = await marks(driver)
        await delete(firing.shards, firing.caller, deleted.id)
        assert await EncodedJobs().of(driver, service_id, rows, NOON) is None
        found = await kept.of(driver, service_id, await marks(driver), NOON)
    assert found is not None
    assert [msgspec.json.decode(job)["name"] for job in found.jobs] == ["another"]


async def test_of_a_page_that_would_be_too_large_no_more_is_read_than_it_holds(firing: Firing):
    """Though they are small for Postgres."""
    body = msgspec.Raw(msgspec.json.encode("x" * 255_000))
    target = HttpTarget(url="http://127.0.0.1:9/", body=body)
    made = [await firing.job(every=timedelta(days=1), target=target) for _ in range(40)]
    kept, read = EncodedJobs(), []
    reading = kept._read

    async def noting(*asked):
        found = await reading(*asked)
        read.extend(found[0])
        return found

    kept._read = noting
    for _ in range(2):  # as it is read, and as it is in memory
        found = await shown(firing, kept)
        assert sum(len(bytes(job)) for job in found.jobs) <= PAGE_BYTES
        assert len(found.jobs) == PAGE_BYTES // 256_000
        assert found.last == made[len(found.jobs) - 1].id
    assert len(read) <= 2 * (len(found.jobs) + 1)
