"""A service's runs, newest fire time first."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from domain.caller import Caller
from domain.run import Run, RunState
from domain.run_filter import RunFilter
from storage.runs import RUN_COLUMNS, run_of
from storage.shards import Shards

LAST_ID = UUID(int=(1 << 128) - 1)

# A run's id begins with its fire time, so that ids sort as fire times do.
_LIST = f"""
SELECT {RUN_COLUMNS} FROM runs
WHERE service_id = $1 AND id < $2{{failed}}
    AND ($3::uuid IS NULL OR job_id = $3)
    AND ($4::timestamptz IS NULL OR scheduled_for >= $4)
    AND ($5::timestamptz IS NULL OR scheduled_for < $5)
    AND ($6::text IS NULL OR trigger = $6)
    AND ($7::text IS NULL OR state = $7)
ORDER BY id DESC
LIMIT $8
"""
_ALL = _LIST.format(failed="")
_FAILED = _LIST.format(failed=" AND failed")  # dead letters have an index of their own


class ListServiceRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    before: The last run of the page before.
    """

    caller: Caller
    chosen: RunFilter
    limit: int
    before: UUID | None


async def list_service_runs(query: ListServiceRuns, shards: Shards) -> list[Run]:
    """At most `limit` runs of those chosen."""
    service_id = query.caller.service_id
    chosen = query.chosen
    statement = _FAILED if chosen.state is RunState.FAILED else _ALL
    rows = await shards.of(service_id).read(
        service_id,
        lambda driver: driver.fetch(
            statement,
            service_id,
            query.before or LAST_ID,
            chosen.job_id,
            chosen.since,
            chosen.before,
            chosen.trigger,
            chosen.state,
            query.limit,
        ),
    )
    return [run_of(row) for row in rows]
