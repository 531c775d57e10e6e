"""Give back runs that a worker process took and has not begun to ring."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from storage.postgres import Database
from storage.queue import RunKey

_GIVE_BACK = """
UPDATE runs
SET state = CASE attempt_count WHEN 0 THEN 'scheduled' ELSE 'retrying' END, held_by = NULL
FROM unnest($2::uuid[], $3::uuid[]) AS waiting (service_id, id)
WHERE runs.service_id = waiting.service_id AND runs.id = waiting.id
    AND runs.held_by = $1 AND runs.state = 'queued'
RETURNING runs.service_id, runs.id
"""


class GiveBackRuns(Struct, frozen=True, kw_only=True):
    worker_id: UUID
    runs: list[RunKey]


async def give_back_runs(command: GiveBackRuns, database: Database) -> list[RunKey]:
    """Free the runs and return them, ready to be handed over to another worker."""
    async with database.driver() as driver:
        rows = await driver.fetch(
            _GIVE_BACK,
            command.worker_id,
            [service_id for service_id, _ in command.runs],
            [run for _, run in command.runs],
        )
    return [(row["service_id"], row["id"]) for row in rows]
