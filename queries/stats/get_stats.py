"""How the runs of a job, or of all jobs of a service, ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.runs.sketch import Percentiles, percentiles
from domain.runs.stats import ENDS, Stats
from queries.jobs.known_jobs import refuse_unknown
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.schema.stats_tables import job_stats, service_stats
from storage.shards import Shards

_FIGURES = (
    *(state.value for state in ENDS),
    *("lateness", "lateness_max", "duration", "duration_max"),
    *("overlap_wait", "overlap_wait_max"),
    *("last_success_at", "last_failure_at", "updated_at"),
)
_OF_JOB = Statement(
    select(*(job_stats.c[name] for name in _FIGURES)).where(
        job_stats.c.service_id == bindparam("service_id"),
        job_stats.c.job_id == bindparam("job_id"),
        job_stats.c.day >= bindparam("start"),
        job_stats.c.day < bindparam("end"),
    )
)
_OF_SERVICE = Statement(
    select(*(service_stats.c[name] for name in _FIGURES)).where(
        service_stats.c.service_id == bindparam("service_id"),
        service_stats.c.hour >= bindparam("start"),
        service_stats.c.hour < bindparam("end"),
    )
)


class GetJobStats(Struct, frozen=True, kw_only=True):
    """Attributes:
    start: The first day asked about, in UTC.
    end: The first that is not.
    """

    caller: Caller
    job_id: UUID
    start: datetime
    end: datetime


class GetServiceStats(Struct, frozen=True, kw_only=True):
    """Attributes:
    start: The first hour asked about.
    end: The first that is not.
    """

    caller: Caller
    start: datetime
    end: datetime


async def get_job_stats(query: GetJobStats, shards: Shards) -> Stats:
    """Statistics of the runs of a job that ended on these days.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id

    async def ask(driver: Driver) -> Stats:
        rows = await _OF_JOB.fetch(
            driver,
            service_id=service_id,
            job_id=query.job_id,
            start=query.start,
            end=query.end,
        )
        await refuse_unknown(driver, service_id, query.job_id)
        return _joined(rows)

    return await shards.of(service_id).read(service_id, ask)


async def get_service_stats(query: GetServiceStats, shards: Shards) -> Stats:
    """Statistics of all runs of the service that ended in these hours."""
    service_id = query.caller.service_id
    rows = await shards.of(service_id).read(
        service_id,
        lambda driver: _OF_SERVICE.fetch(
            driver, service_id=service_id, start=query.start, end=query.end
        ),
        costly=True,
    )
    return _joined(rows)


def _joined(rows: Sequence[asyncpg.Record]) -> Stats:
    return Stats(
        counts={state: sum(row[state.value] for row in rows) for state in ENDS},
        lateness=_percentiles(rows, "lateness"),
        overlap_wait=_percentiles(rows, "overlap_wait"),
        duration=_percentiles(rows, "duration"),
        last_success_at=_latest(row["last_success_at"] for row in rows),
        last_failure_at=_latest(row["last_failure_at"] for row in rows),
        updated_at=_latest(row["updated_at"] for row in rows),
    )


def _percentiles(rows: Sequence[asyncpg.Record], of: str) -> Percentiles | None:
    sketch = b"".join(row[of] for row in rows)
    return percentiles(sketch, _latest(row[f"{of}_max"] for row in rows))


def _latest(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)
