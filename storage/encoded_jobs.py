"""Jobs as lists show them: what has not changed since it was shown last is not read again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from cachetools import LRUCache

from domain.job import Job, visible_state
from storage.job_entries import encoded_job
from storage.jobs import JOB_COLUMNS
from storage.postgres import Driver

# Of most jobs nothing is claimed, and an array costs the driver more than all the rest.
JOB_MARKS = """
    id, version, updated_at, CASE WHEN NOT paused THEN next_fire_for END AS fires_for,
    CASE WHEN NOT paused AND cardinality(claimed_for) > 0 THEN claimed_for END AS claimed
"""
"""Columns that tell whether a job still looks as it did."""
KEPT_BYTES = 32 * 1024 * 1024
_OVERHEAD_BYTES = 500
READ = f"""
SELECT {JOB_COLUMNS}, {JOB_MARKS.replace("id, version, updated_at,", "")} FROM jobs
WHERE service_id = $1 AND id = ANY ($2::uuid[])
"""

# Whoever changes a job gives it another version; but for its next fire time, which moves by itself.
# A primary that another took over from may have given a version that is lost, at another instant.
Mark = tuple[int, datetime, datetime | None]


class _Encoded(NamedTuple):
    mark: Mark
    job: msgspec.Raw


class Shown(NamedTuple):
    """Attributes:
    jobs: As they are answered.
    changes_at: When the first of them changes by itself.
    """

    jobs: list[msgspec.Raw]
    changes_at: datetime | None


class EncodedJobs:
    """Encoded jobs, of which this process keeps those that were made or that lists showed last."""

    def __init__(self) -> None:
        self._kept: LRUCache[UUID, _Encoded] = LRUCache(KEPT_BYTES, _size)

    def keep(self, job: Job, encoded: bytes) -> None:
        """A job was stored, and is answered like that."""
        mark = job.version, job.updated_at, job.next_fire_at
        self._keep(job.id, _Encoded(mark, msgspec.Raw(encoded)))

    async def of(
        self, driver: Driver, service_id: UUID, rows: Sequence[asyncpg.Record], now: datetime
    ) -> Shown | None:
        """Jobs as they are answered in a list; None if one of them was changed since.

        Args:
            rows: With `JOB_MARKS`, read by the driver just now.
        """
        marks = {row["id"]: _mark(row, now) for row in rows}
        found = {job_id: self._known(job_id, mark) for job_id, mark in marks.items()}
        unknown = [job_id for job_id, job in found.items() if job is None]
        if unknown:
            for job_id, encoded in (await self._read(driver, service_id, unknown, now)).items():
                found[job_id] = encoded.job if encoded.mark == marks[job_id] else None
        jobs = [job for job in found.values() if job is not None]
        if len(jobs) < len(marks):
            return None
        changes = (changes_at for _, _, changes_at in marks.values() if changes_at is not None)
        return Shown(jobs, min(changes, default=None))

    def _known(self, job_id: UUID, mark: Mark) -> msgspec.Raw | None:
        encoded = self._kept.get(job_id)
        return encoded.job if encoded is not None and encoded.mark == mark else None

    async def _read(
        self, driver: Driver, service_id: UUID, job_ids: list[UUID], now: datetime
    ) -> dict[UUID, _Encoded]:
        read: dict[UUID, _Encoded] = {}
        for row in await driver.fetch(READ, service_id, job_ids):
            encoded = _Encoded(_mark(row, now), msgspec.Raw(encoded_job(row, now)))
            read[row["id"]] = encoded
            self._keep(row["id"], encoded)
        return read

    def _keep(self, job_id: UUID, encoded: _Encoded) -> None:
        if _size(encoded) <= KEPT_BYTES:
            self._kept[job_id] = encoded


def _mark(row: asyncpg.Record, now: datetime) -> Mark:
    fires_for, claimed = row["fires_for"], row["claimed"]
    if claimed is not None:
        _, fires_for = visible_state(
            paused=False, next_fire_for=fires_for, claimed_for=claimed, now=now
        )
    return row["version"], row["updated_at"], fires_for


def _size(encoded: _Encoded) -> int:
    return memoryview(encoded.job).nbytes + _OVERHEAD_BYTES
