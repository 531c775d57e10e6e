"""Jobs as lists show them: what has not changed since it was shown last is not read again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from cachetools import LRUCache

from storage.job_entries import encoded_job, next_fire_of
from storage.jobs import JOB_COLUMNS
from storage.postgres import Driver

JOB_MARKS = "id, version, updated_at, paused, next_fire_for, claimed_for"
"""Columns that tell whether a job still looks as it did."""
KEPT_BYTES = 32 * 1024 * 1024
_OVERHEAD_BYTES = 500
_READ = f"SELECT {JOB_COLUMNS} FROM jobs WHERE service_id = $1 AND id = ANY ($2::uuid[])"

# Whoever changes a job gives it another version; but for its next fire time, which moves by itself.
# A primary that another took over from may have given a version that is lost, at another instant.
Mark = tuple[UUID, int, datetime, datetime | None]


class Shown(NamedTuple):
    """Attributes:
    jobs: As they are answered.
    changes_at: When the first of them changes by itself.
    """

    jobs: list[msgspec.Raw]
    changes_at: datetime | None


class EncodedJobs:
    """Encoded jobs, of which this process keeps those that lists showed last."""

    def __init__(self) -> None:
        self._kept: LRUCache[Mark, msgspec.Raw] = LRUCache(KEPT_BYTES, _size)

    async def of(
        self, driver: Driver, service_id: UUID, rows: Sequence[asyncpg.Record], now: datetime
    ) -> Shown | None:
        """Jobs as they are answered in a list; None if one of them was changed since.

        Args:
            rows: With `JOB_MARKS`, read by the driver just now.
        """
        marks = [_mark(row, now) for row in rows]
        found = {mark: self._kept.get(mark) for mark in marks}
        unknown = [mark[0] for mark, encoded in found.items() if encoded is None]
        if unknown:
            found |= await self._read(driver, service_id, unknown, now)
        jobs = [encoded for encoded in found.values() if encoded is not None]
        if len(found) > len(marks) or len(jobs) < len(marks):
            return None
        return Shown(jobs, min((mark[3] for mark in marks if mark[3] is not None), default=None))

    async def _read(
        self, driver: Driver, service_id: UUID, job_ids: list[UUID], now: datetime
    ) -> dict[Mark, msgspec.Raw]:
        read: dict[Mark, msgspec.Raw] = {}
        for row in await driver.fetch(_READ, service_id, job_ids):
            mark = _mark(row, now)
            read[mark] = self._kept[mark] = msgspec.Raw(encoded_job(row, now))
        return read


def _mark(row: asyncpg.Record, now: datetime) -> Mark:
    return row["id"], row["version"], row["updated_at"], next_fire_of(row, now)


def _size(encoded: msgspec.Raw) -> int:
    return memoryview(encoded).nbytes + _OVERHEAD_BYTES
