"""End a backfill."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select, update

from domain.backfill import Backfill, BackfillState
from domain.caller import Caller
from domain.errors import NotFound
from storage.audit import record
from storage.backfills import backfill_of
from storage.claimed_runs import cancel_runs
from storage.shards import Shards
from storage.tables import backfills


class CancelBackfill(Struct, frozen=True, kw_only=True):
    caller: Caller
    backfill_id: UUID
    now: datetime


async def cancel_backfill(command: CancelBackfill, shards: Shards) -> Backfill:
    """End the backfill, and its runs that do not ring at this moment.

    A backfill that is over stays as it is, but for runs that still wait.

    Raises:
        NotFound: When the service has no such backfill.
    """
    service_id = command.caller.service_id
    mine = (backfills.c.service_id == service_id, backfills.c.id == command.backfill_id)
    async with shards.of(service_id).writing(service_id, (), command.caller.claim) as connection:
        found = await connection.execute(select(backfills).where(*mine).with_for_update())
        row = found.mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no backfill {command.backfill_id}.")
        await cancel_runs(
            connection,
            (service_id, row["job_id"]),
            command.now,
            "Its backfill was cancelled.",
            backfill_id=command.backfill_id,
        )
        if row["state"] is not BackfillState.RUNNING:
            over = backfill_of(row)
            command.caller.settle(over)
            return over
        changed = await connection.execute(
            update(backfills)
            .where(*mine)
            .values(state=BackfillState.CANCELLED, continue_at=None, finished_at=command.now)
            .returning(backfills)
        )
        await record(connection, command.caller, "backfill.cancelled", row["id"], command.now)
        cancelled = backfill_of(changed.mappings().one())
        command.caller.settle(cancelled)
        return cancelled
