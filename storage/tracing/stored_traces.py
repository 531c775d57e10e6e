"""Which trace a job or run was asked for in; kept only of requests that are traced.

Nothing depends on it, and what is lost is a link in a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE, Driver
from storage.tracing.spans import active

if TYPE_CHECKING:
    from storage.shards import Shard

log = structlog.get_logger()

_NOTE = """
INSERT INTO traces (service_id, id, traceparent, noted_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_LOOK_UP = """
SELECT id, traceparent FROM traces
JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (service_id, id) USING (service_id, id)
"""
_FORGET = """
DELETE FROM traces
WHERE noted_at < $1 AND NOT EXISTS (
    SELECT FROM jobs WHERE jobs.service_id = traces.service_id AND jobs.id = traces.id
)
"""


async def note_trace(shard: Shard, service_id: UUID, object_id: UUID, now: datetime) -> None:
    """Keep the current trace as that in which a job or run was asked for."""
    tracing = active()
    traceparent = tracing and tracing.traceparent()
    if not traceparent:
        return
    try:
        async with shard.database.driver() as driver:
            await driver.execute(_NOTE, service_id, object_id, traceparent, now)
    except UNREACHABLE as error:
        log.warning("trace.not_noted", error=kind_of(error))


async def look_up_traces(driver: Driver, keys: Sequence[tuple[UUID, UUID]]) -> dict[UUID, str]:
    """The `traceparent` kept of each of these jobs and runs, by id."""
    rows = await driver.fetch(_LOOK_UP, [key[0] for key in keys], [key[1] for key in keys])
    return {row["id"]: row["traceparent"] for row in rows}


async def forget_traces(driver: Driver, before: datetime) -> None:
    """Forget those of runs, and of jobs that are gone, noted before then."""
    await driver.execute(_FORGET, before)
