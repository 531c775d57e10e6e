"""New jobs, with what is written beside them; those made at about the same time share a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from domain.access.caller import Caller
from domain.ids import new_id
from domain.jobs.job import Job
from domain.terms import job_terms
from storage.batches import Batches
from storage.commits import Commits
from storage.encoded_jobs import EncodedJobs
from storage.job_counts import COUNT_JOBS, JOBS_OF_SERVICES, SPARE, count_slot
from storage.job_entries import entry_of
from storage.jobs import encode_schedule
from storage.postgres import Database, Driver
from storage.services import lock_service
from storage.shared_cache import Commit, NewEntry
from storage.shares import Shares

AT_ONCE = 100
"""Jobs that share a commit, at most."""

# The jobs, their listings, their places in the counts and their audit rows in one statement: one
# round trip and one transaction. Nothing of a job whose service has as many as it may, or nearly.
INSERT = f"""
WITH asked AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY service_id) AS nth
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[],
        $14::timestamptz[], $15::timestamptz[], $16::text[], $17::uuid[], $18::text[], $19::text[],
        $20::text[], $21::int[])
        AS asked (service_id, id, name, description, tags, schedule, target, retry, overlap,
            catchup, calendars, next_fire_for, next_claim_at, accounted_to, created_at, terms,
            audit_id, principal, request_id, address, most)
), known AS MATERIALIZED (
    {JOBS_OF_SERVICES.format(services="SELECT DISTINCT service_id FROM asked")}
), decided AS MATERIALIZED (
    SELECT asked.*, known.jobs + nth <= most - $22 AS accepted, known.jobs >= most AS refused
    FROM asked JOIN known USING (service_id)
), counted AS (
    {COUNT_JOBS.format(jobs="SELECT service_id FROM decided WHERE accepted", slot="$23")}
), audited AS (
    INSERT INTO audit
        (service_id, at, id, principal, action, object_id, request_id, address, details)
    SELECT service_id, created_at, audit_id, principal, 'job.created', id, request_id, address,
        '{{}}'
    FROM decided WHERE accepted
), listed AS (
    INSERT INTO listings (service_id, id, terms, updated_at)
    SELECT service_id, id, array_to_tsvector(terms::text[]), created_at
    FROM decided WHERE accepted
), stored AS (
    INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry, overlap,
        catchup, calendars, paused, next_fire_for, next_claim_at, accounted_to, claimed_for,
        version, created_at, updated_at)
    SELECT service_id, id, name, description, tags::text[], schedule::json, target::json,
        retry::json, overlap, catchup::json, calendars::text[], false, next_fire_for,
        next_claim_at, accounted_to, '{{}}', 1, created_at, created_at
    FROM decided WHERE accepted
)
SELECT id, accepted, refused FROM decided
"""
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
        self, database: Database, commits: Commits, encoded_jobs: EncodedJobs, shares: Shares
    ) -> None:
        self._database = database
        self._shares = shares
        self._commits = commits
        self._encoded_jobs = encoded_jobs
        self._groups: Batches[NewJob, bool | None] = Batches(self._store_group, most=AT_ONCE)

    async def store(self, new: NewJob) -> bool:
        """Store a job; return whether it was, or else the service has as many as it may."""
        stored = await self._groups.answer(new)
        return await self._store_alone(new) if stored is None else stored

    async def _store_group(self, group: list[NewJob]) -> Mapping[NewJob, bool | None]:
        """None stands for a job that is to be tried alone."""
        place = self._commits.place
        try:
            async with self._database.driver() as driver:
                found = await _insert(driver, group, SPARE)
        except _REFUSED:
            return dict.fromkeys(group)
        await self._tell([new for new in group if found[new]], place)
        return found

    async def _store_alone(self, new: NewJob) -> bool:
        place = self._commits.place
        async with (
            self._shares.of(new.caller.service_id),  # of a service that is nearly full, all lock it
            self._database.driver() as driver,
            driver.transaction(),
        ):
            stored = await insert_job(driver, new)
        if stored:
            await self._tell([new], place)
        return stored

    async def _tell(self, stored: Sequence[NewJob], place: int) -> None:
        made: dict[UUID, list[NewEntry]] = {}
        for new in stored:
            entry = entry_of(new.job, new.job.created_at)
            self._encoded_jobs.keep(new.job, entry.body)
            made.setdefault(new.caller.service_id, []).append(entry)
        await self._commits.record_all(
            Commit(service_id=service_id, entries=tuple(entries), after=place)
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
    columns = map(list, zip(*map(_row, group), strict=True))
    rows = await driver.fetch(INSERT, *columns, spare, count_slot(group[0].job.id))
    found = {row["id"]: row["accepted"] or (False if row["refused"] else None) for row in rows}
    return {new: found[new.job.id] for new in group}


def _row(new: NewJob) -> tuple[object, ...]:
    caller, job = new.caller, new.job
    return (
        caller.service_id,
        job.id,
        job.name,
        job.description,
        _array_text(job.tags),
        encode_schedule(job.schedule),
        _json(job.target),
        _json(job.retry),
        job.overlap,
        _json(job.catchup),
        _array_text(job.schedule.calendars),
        new.next_fire_for,
        new.next_claim_at,
        new.accounted_to,
        job.created_at,
        _array_text(job_terms(caller.service_id, job)),
        new_id(),
        caller.principal,
        caller.request_id,
        caller.address,
        caller.limits.jobs,
    )


def _json(value: Struct) -> str:
    return msgspec.json.encode(value).decode()


def _array_text(texts: Sequence[str]) -> str:
    # unnest() would flatten an array of arrays, so each travels as Postgres writes it.
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return '{"' + '","'.join(quoted) + '"}' if texts else "{}"
