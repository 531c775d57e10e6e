"""Jobs that are created at the same time share a commit, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest

from commands.jobs.create_job import CreateJob, create_job
from domain.access.caller import Caller
from domain.access.idempotency import Answer, Claim
from domain.errors import QuotaExceeded
from domain.filters.job_filter import JobFilter, JobOrder
from domain.jobs.job import Job
from domain.policies.retry import RetryPolicy
from domain.quotas.limits import Limits
from domain.schedules.schedule import Schedule
from queries.jobs.list_jobs import ListJobs, list_jobs
from storage.jobs.counts import SPARE
from storage.jobs.inserts import AT_ONCE
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.changing import delete
from tests.commands.firing import NOON, TARGET, Firing

ROOMY = Limits(jobs=10 * SPARE)
ODD = ["plain", 'a "quoted" one', "back\\slash\\", "{a,b}", "NULL", " ", "line\nbreak", "é☃"]
# What is written beside each job, and whether the count is right.
_WRITTEN = """
SELECT service_id, count(*) AS jobs, count(DISTINCT jobs.xmin::text) AS commits,
    count(listings.id) AS listed,
    (SELECT count(*) FROM audit WHERE audit.service_id = jobs.service_id
        AND action = 'job.created' AND at = jobs.created_at) AS audited,
    (SELECT sum(count) FROM job_counts WHERE job_counts.service_id = jobs.service_id) AS counted
FROM jobs LEFT JOIN listings USING (service_id, id)
GROUP BY service_id, created_at
"""


def creation(caller: Caller, *, limits: Limits = ROOMY, name: str = "a job") -> CreateJob:
    return CreateJob(
        caller=msgspec.structs.replace(caller, limits=limits),
        name=name,
        description="",
        tags=[],
        schedule=Schedule(accepted_at=NOON, every=timedelta(days=1)),
        target=TARGET,
        retry=RetryPolicy(),
        now=NOON,
    )


async def create_together(
    firing: Firing, commands: Sequence[CreateJob]
) -> list[Job | BaseException]:
    making = [create_job(command, firing.shards) for command in commands]
    return await asyncio.gather(*making, return_exceptions=True)


async def written(firing: Firing, caller: Caller) -> Counter[str]:
    """How much of each there is."""
    rows = await firing.rows(_WRITTEN)
    (found,) = [row for row in rows if row["service_id"] == caller.service_id]
    return Counter({name: int(found[name]) for name in list(found.keys())[1:]})


def all_of(number: int, *, commits: int = 1) -> Counter[str]:
    return Counter(jobs=number, commits=commits, listed=number, audited=number, counted=number)


async def has_jobs(firing: Firing, caller: Caller, number: int) -> None:
    async with firing.database.driver() as driver:
        await driver.execute(
            "INSERT INTO job_counts VALUES ($1, 15, $2)", caller.service_id, number
        )


async def test_jobs_of_several_services_share_a_commit(firing: Firing, other_service: Firing):
    callers = [firing.caller, other_service.caller, firing.caller]
    made = await create_together(firing, [creation(caller) for caller in callers])
    assert all(isinstance(job, Job) for job in made)
    assert await written(firing, firing.caller) == all_of(2)
    assert await written(firing, other_service.caller) == all_of(1)
    assert len(await firing.rows("SELECT DISTINCT xmin::text FROM jobs")) == 1


async def test_a_commit_has_its_bounds(firing: Firing):
    await create_together(firing, [creation(firing.caller)] * (2 * AT_ONCE + 1))
    assert await written(firing, firing.caller) == all_of(2 * AT_ONCE + 1, commits=3)


@pytest.mark.parametrize("before", [0, 2 * SPARE])
async def test_each_service_gets_as_many_as_it_may(
    firing: Firing, other_service: Firing, before: int
):
    few, more = firing.caller, other_service.caller
    for caller in (few, more):
        await has_jobs(firing, caller, before)
    commands = [
        creation(caller, limits=Limits(jobs=before + most))
        for _ in range(20)
        for caller, most in ((few, 3), (more, 7))
    ]
    made = await create_together(firing, commands)
    for caller, most in ((few, 3), (more, 7)):
        found = await written(firing, caller)
        assert found["jobs"] == found["listed"] == found["audited"] == most
        assert found["counted"] == before + most
    assert sum(isinstance(job, Job) for job in made) == 3 + 7
    assert sum(isinstance(job, QuotaExceeded) for job in made) == len(made) - 3 - 7


async def test_several_processes_do_not_store_too_many(firing: Firing, commands_urls: ShardUrls):
    processes = [Shards(commands_urls) for _ in range(4)]
    command = creation(firing.caller, limits=Limits(jobs=10))
    making = [create_job(command, shards) for shards in processes for _ in range(20)]
    made = await asyncio.gather(*making, return_exceptions=True)
    assert sum(isinstance(job, Job) for job in made) == 10
    assert (await written(firing, firing.caller))["counted"] == 10
    await asyncio.gather(*(shards.close() for shards in processes))


async def test_the_last_jobs_that_a_service_may_have_are_stored_one_by_one(firing: Firing):
    """Others cannot be seen before they commit, so it might be too many together."""
    await has_jobs(firing, firing.caller, 10)
    limits = Limits(jobs=SPARE + 10 + 4)
    made = await create_together(firing, [creation(firing.caller, limits=limits)] * 6)
    assert all(isinstance(job, Job) for job in made)
    assert (await written(firing, firing.caller))["commits"] == 1 + 2


async def test_a_keyed_request_keeps_the_limit(firing: Firing):
    def answer(_: object) -> Answer:
        return Answer(status=201, headers={}, body=b"")

    def claim(key: str) -> Claim:
        return Claim(
            route="POST /jobs",
            key=key,
            fingerprint=b"",
            size=0,
            at=NOON,
            answer_of=answer,
            refusal_of=answer,
        )

    command = creation(firing.caller, limits=Limits(jobs=2))
    making = [create_job.once(command, firing.shards, claim(str(number))) for number in range(5)]
    made = await asyncio.gather(*making, return_exceptions=True)
    assert sum(isinstance(one, Answer) for one in made) == 2
    assert sum(isinstance(one, QuotaExceeded) for one in made) == 3
    assert (await written(firing, firing.caller))["counted"] == 2


async def test_a_row_that_postgres_refuses_fails_alone(firing: Firing, other_service: Firing):
    commands = [
        creation(firing.caller),
        creation(firing.caller, name="a\0b"),
        creation(other_service.caller),
    ]
    made = await create_together(firing, commands)
    assert [type(job) for job in made] == [Job, asyncpg.CharacterNotInRepertoireError, Job]
    assert await written(firing, firing.caller) == all_of(1)
    assert await written(firing, other_service.caller) == all_of(1)


async def test_who_leaves_takes_nothing_from_the_others(firing: Firing):
    making = [
        asyncio.create_task(create_job(creation(firing.caller), firing.shards)) for _ in range(3)
    ]
    await asyncio.sleep(0)
    making[0].cancel()
    made = await asyncio.gather(*making, return_exceptions=True)
    assert [type(job) for job in made] == [asyncio.CancelledError, Job, Job]
    found = await written(firing, firing.caller)
    assert found == all_of(found["jobs"])
    assert found["jobs"] in {2, 3}


async def test_what_is_deleted_is_counted_off(firing: Firing):
    made = await create_together(firing, [creation(firing.caller)] * 5)
    for job in made[1:]:
        assert isinstance(job, Job)
        await delete(firing.shards, firing.caller, job.id)
    assert (await written(firing, firing.caller))["counted"] == 1


async def test_odd_text_is_stored_as_it_is(firing: Firing):
    command = msgspec.structs.replace(creation(firing.caller), tags=ODD)
    await create_together(firing, [creation(firing.caller), command])
    stored = [row["tags"] for row in await firing.rows("SELECT tags FROM jobs ORDER BY id")]
    assert sorted(stored) == [[], ODD]


async def listed(caller: Caller, shards: Shards) -> set[UUID]:
    query = ListJobs(
        service_id=caller.service_id,
        chosen=JobFilter(),
        order=JobOrder(),
        fields=(),
        limit=50,
        after=None,
        now=NOON,
        cursor_of=lambda _: None,
    )
    items = msgspec.json.decode((await list_jobs(query, shards)).body)["items"]
    return {UUID(item["id"]) for item in items}


async def test_each_service_of_a_commit_reads_it_everywhere(
    firing: Firing, other_service: Firing, commands_urls: ShardUrls
):
    elsewhere = Shards(commands_urls)
    callers = [firing.caller, other_service.caller]
    for caller in callers:
        assert await listed(caller, elsewhere) == set()
    made = await create_together(firing, [creation(caller) for caller in callers])
    for caller, job in zip(callers, made, strict=True):
        assert isinstance(job, Job)
        assert await listed(caller, elsewhere) == {job.id}
    await elsewhere.close()
