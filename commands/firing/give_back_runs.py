"""Give back runs that a worker process took and has not begun to ring."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from storage.sql import statement

_GIVE_BACK = statement("attempts/give_back")


class GiveBackRuns(Struct, frozen=True, kw_only=True):
    worker_id: UUID
    runs: list[RunKey]


async def give_back_runs(command: GiveBackRuns, database: Database) -> list[RunKey]:
    """Free the runs and return them, ready to be dispatched to another worker."""
    async with database.driver() as driver:
        rows = await _GIVE_BACK.fetch(
            driver,
            worker_id=command.worker_id,
            service_ids=[service_id for service_id, _ in command.runs],
            run_ids=[run for _, run in command.runs],
        )
    return [(row["service_id"], row["id"]) for row in rows]
