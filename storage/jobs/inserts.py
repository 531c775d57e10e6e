"""New jobs, with what is written beside them; those made at about the same time share a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from domain.access.caller import Caller
from domain.filters.search_index import job_terms
from domain.ids import new_id
from domain.jobs.job import Job
from storage.cache.consistency_tokens import ConsistencyTokens
from storage.cache.encoded_jobs import EncodedJobs
from storage.cache.job_cache_entries import cache_entry_of
from storage.cache.shared_cache import Commit, NewCacheEntry
from storage.jobs.counts import SPARE, count_slot
from storage.jobs.rows import encode_schedule
from storage.postgres.batches import Batches
from storage.postgres.pools import Database, Driver
from storage.services.services import lock_service
from storage.shares import Shares
from storage.sql import statement

AT_ONCE = 100
"""Jobs that share a commit, at most."""

INSERT = statement("jobs/insert")
# What Postgres may say of a single row that it does not take.
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)


class NewJob(Struct, frozen=True, kw_only=True, eq=False):
    """A job to be stored.

    Attributes:
        caller: Who makes it; its limits say how many jobs there may be.
        next_fire_for: The first fire time.
        next_claim_at: When its run is due.
        accounted_to: Where the schedule begins.
    """

    caller: Caller
    job: Job
    next_fire_for: datetime | None
    next_claim_at: datetime | None
    accounted_to: datetime


class JobInserts:
    """Stores new jobs in groups: while one group is being written, the next one gathers.

    Nobody is told that a job is stored before it is committed, and its service reads the commit.
    """

    def __init__(
        self,
        database: Database,
        consistency_tokens: ConsistencyTokens,
        encoded_jobs: EncodedJobs,
        shares: Shares,
    ) -> None:
        self._database = database
        self._shares = shares
        self._consistency_tokens = consistency_tokens
        self._encoded_jobs = encoded_jobs
        self._groups: Batches[NewJob, bool | None] = Batches(self._store_group, most=AT_ONCE)

    async def store(self, new: NewJob) -> bool:
        """Store a job; return whether it was, or else the service has as many as it may."""
        stored = await self._groups.answer(new)
        return await self._store_alone(new) if stored is None else stored

    async def _store_group(self, group: list[NewJob]) -> Mapping[NewJob, bool | None]:
        """None stands for a job that is to be tried alone."""
        lsn = self._consistency_tokens.lsn
        try:
            async with self._database.driver() as driver:
                found = await _insert(driver, group, SPARE)
        except _REFUSED:
            return dict.fromkeys(group)
        await self._tell([new for new in group if found[new]], lsn)
        return found

    async def _store_alone(self, new: NewJob) -> bool:
        lsn = self._consistency_tokens.lsn
        async with (
            self._shares.of(new.caller.service_id),  # of a service that is nearly full, all lock it
            self._database.driver() as driver,
            driver.transaction(),
        ):
            stored = await insert_job(driver, new)
        if stored:
            await self._tell([new], lsn)
        return stored

    async def _tell(self, stored: Sequence[NewJob], lsn: int) -> None:
        made: dict[UUID, list[NewCacheEntry]] = {}
        for new in stored:
            entry = cache_entry_of(new.job, new.job.created_at)
            self._encoded_jobs.keep(new.job, entry.body)
            made.setdefault(new.caller.service_id, []).append(entry)
        await self._consistency_tokens.record_all(
            Commit(service_id=service_id, entries=tuple(entries), after=lsn)
            for service_id, entries in made.items()
        )


async def insert_job(driver: Driver, new: NewJob) -> bool:
    """Within a transaction: store a job; return whether the service may have it."""
    stored = (await _insert(driver, [new], SPARE))[new]
    if stored is None:
        await lock_service(driver, new.caller.service_id)
        stored = (await _insert(driver, [new], 0))[new]
    return bool(stored)


async def _insert(driver: Driver, group: Sequence[NewJob], spare: int) -> dict[NewJob, bool | None]:
    """Store what leaves so many jobs to spare.

    Returns:
        Whether each was stored; None where it was not, though there seems to be room.
    """
    rows = [_row(new) for new in group]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    told = await INSERT.fetch(driver, **columns, spare=spare, slot=count_slot(group[0].job.id))
    found = {row["id"]: row["accepted"] or (False if row["refused"] else None) for row in told}
    return {new: found[new.job.id] for new in group}


def _row(new: NewJob) -> dict[str, object]:
    """The job's element of each parameter."""
    caller, job = new.caller, new.job
    return {
        "service_ids": caller.service_id,
        "ids": job.id,
        "names": job.name,
        "descriptions": job.description,
        "tags": _array_text(job.tags),
        "schedules": encode_schedule(job.schedule),
        "targets": _json(job.target),
        "retries": _json(job.retry),
        "overlaps": job.overlap,
        "catchups": _json(job.catchup),
        "calendars": _array_text(job.schedule.calendars),
        "next_fire_for": new.next_fire_for,
        "next_claim_at": new.next_claim_at,
        "accounted_to": new.accounted_to,
        "created_at": job.created_at,
        "terms": _array_text(job_terms(caller.service_id, job)),
        "audit_ids": new_id(),
        "principals": caller.principal,
        "request_ids": caller.request_id,
        "addresses": caller.address,
        "most": caller.limits.jobs,
    }


def _json(value: Struct) -> str:
    return msgspec.json.encode(value).decode()


def _array_text(texts: Sequence[str]) -> str:
    # unnest() would flatten an array of arrays, so each travels as Postgres writes it.
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return '{"' + '","'.join(quoted) + '"}' if texts else "{}"
