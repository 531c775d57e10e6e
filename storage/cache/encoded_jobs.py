"""Jobs as lists show them: what has not changed since it was shown last is not read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from cachetools import LRUCache

from domain.jobs.job import Job, visible_state
from storage.cache.job_cache_entry import encoded_job
from storage.cache.page_bytes import PAGE_BYTES, bytes_of
from storage.jobs.rows import JOB_COLUMNS
from storage.postgres.pools import Driver

# Of most jobs nothing is claimed, and an array costs the driver more than all the rest.
JOB_MARKS = """
    id, version, updated_at, CASE WHEN NOT paused THEN next_fire_for END AS fires_for,
    CASE WHEN NOT paused AND cardinality(claimed_for) > 0 THEN claimed_for END AS claimed
"""
"""Columns that tell whether a job still looks as it did."""
KEPT_BYTES = 32 * 1024 * 1024
_OVERHEAD_BYTES = 500
_COLUMNS = f"{JOB_COLUMNS}, {JOB_MARKS.replace('id, version, updated_at,', '')}"
READ = f"""
SELECT {_COLUMNS}, 0 AS up_to FROM jobs WHERE service_id = $1 AND id = ANY ($2::uuid[])
"""
FEW = 16
"""However large they are, so many may be read at once."""
# In the list's order, and no more of them than a page may hold: no others are looked into.
READ_MANY = f"""
SELECT {_COLUMNS}, up_to FROM (
    SELECT job.*, nth, sum(bytes) OVER (ORDER BY nth) AS up_to
    FROM unnest($2::uuid[]) WITH ORDINALITY AS asked (id, nth) CROSS JOIN LATERAL (
        SELECT *, {bytes_of("target")} + {bytes_of("schedule")} AS bytes FROM jobs
        WHERE jobs.service_id = $1 AND jobs.id = asked.id OFFSET 0
    ) AS job
) AS listed
WHERE up_to - bytes < {PAGE_BYTES} ORDER BY nth
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
    last: The job that the page ends with, as more would be too large; None if all are shown.
    """

    jobs: list[msgspec.Raw]
    changes_at: datetime | None
    last: UUID | None


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
        """Jobs as they are answered on a page of a list; None if one of them was changed since.

        Args:
            rows: With `JOB_MARKS`, read by the driver just now.
        """
        marks = {row["id"]: _mark(row, now) for row in rows}
        found = {job_id: self._known(job_id, mark) for job_id, mark in marks.items()}
        unknown = [job_id for job_id, job in found.items() if job is None]
        cut: set[UUID] = set()
        if unknown:
            read, cut = await self._read(driver, service_id, unknown, now)
            for job_id, encoded in read.items():
                found[job_id] = encoded.job if encoded.mark == marks[job_id] else None
        page = _page(found, cut)
        if page is None:
            return None
        changes = (changes_at for _, _, changes_at in map(marks.__getitem__, page))
        last = next(reversed(page)) if len(page) < len(found) else None
        return Shown([*page.values()], min(filter(None, changes), default=None), last)

    def _known(self, job_id: UUID, mark: Mark) -> msgspec.Raw | None:
        encoded = self._kept.get(job_id)
        return encoded.job if encoded is not None and encoded.mark == mark else None

    async def _read(
        self, driver: Driver, service_id: UUID, job_ids: list[UUID], now: datetime
    ) -> tuple[dict[UUID, _Encoded], set[UUID]]:
        """Jobs by id, and the ids that no longer fit the page after the jobs before them."""
        read: dict[UUID, _Encoded] = {}
        up_to = 0
        statement = READ if len(job_ids) <= FEW else READ_MANY
        for row in await driver.fetch(statement, service_id, job_ids):
            encoded = _Encoded(_mark(row, now), msgspec.Raw(encoded_job(row, now)))
            read[row["id"]] = encoded
            self._keep(row["id"], encoded)
            up_to = row["up_to"]
        if up_to < PAGE_BYTES:
            return read, set()
        last = job_ids.index(next(reversed(read)))
        return read, set(job_ids[last + 1 :])

    def _keep(self, job_id: UUID, encoded: _Encoded) -> None:
        if _size(encoded) <= KEPT_BYTES:
            self._kept[job_id] = encoded


def _page(
    found: Mapping[UUID, msgspec.Raw | None], cut: Collection[UUID]
) -> dict[UUID, msgspec.Raw] | None:
    """As many as a page holds; None if one of them is missing."""
    page: dict[UUID, msgspec.Raw] = {}
    so_far = 0
    for job_id, job in found.items():
        if job is None:
            return page if job_id in cut else None
        so_far += memoryview(job).nbytes
        if page and so_far > PAGE_BYTES:
            break
        page[job_id] = job
    return page


def _mark(row: asyncpg.Record, now: datetime) -> Mark:
    fires_for, claimed = row["fires_for"], row["claimed"]
    if claimed is not None:
        _, fires_for = visible_state(
            paused=False, next_fire_for=fires_for, claimed_for=claimed, now=now
        )
    return row["version"], row["updated_at"], fires_for


def _size(encoded: _Encoded) -> int:
    return memoryview(encoded.job).nbytes + _OVERHEAD_BYTES
