"""Delete a job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import RowMapping, delete, update

from domain.backfill import BackfillState
from domain.caller import Caller
from domain.job import Versions
from storage.audit import record
from storage.claimed_runs import cancel_runs
from storage.job_changes import change_from, lock_job, withdraw_to_come
from storage.job_counts import uncount_job
from storage.job_entries import entry_of_deleted
from storage.shards import Shards
from storage.tables import backfills, jobs, listings, turns
from storage.transactions import WriteConnection, driver_of


class DeleteJob(Struct, frozen=True, kw_only=True):
    """Attributes:
    versions: Of which the job must have one; None for any.
    """

    caller: Caller
    job_id: UUID
    now: datetime
    versions: Versions = None


async def delete_job(command: DeleteJob, shards: Shards) -> None:
    """Delete the job and end its open runs; its history stays readable run by run.

    An attempt that rings at this moment is finished and recorded, but not retried.

    Raises:
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    service_id = command.caller.service_id
    made = [entry_of_deleted(command.job_id, command.now)]
    async with shards.of(service_id).writing(service_id, made) as connection:
        row = await lock_job(connection, service_id, command.job_id, command.versions)
        # The turn before the runs, as wherever both are locked.
        await connection.execute(
            delete(turns).where(turns.c.service_id == service_id, turns.c.job_id == row["id"])
        )
        # Likewise the backfills: whoever makes their runs, or cancels them, has locked them first.
        await _cancel_backfills(connection, row, command.now)
        since = await change_from(connection, row, command.now)
        await withdraw_to_come(connection, row, since)
        await cancel_runs(connection, (service_id, row["id"]), command.now, "The job was deleted.")
        await connection.execute(
            delete(jobs).where(jobs.c.service_id == service_id, jobs.c.id == row["id"])
        )
        await uncount_job(await driver_of(connection), service_id, row["id"])
        await connection.execute(
            delete(listings).where(listings.c.service_id == service_id, listings.c.id == row["id"])
        )
        await record(
            connection, command.caller, "job.deleted", row["id"], command.now, name=row["name"]
        )


async def _cancel_backfills(connection: WriteConnection, row: RowMapping, now: datetime) -> None:
    await connection.execute(
        update(backfills)
        .where(
            backfills.c.service_id == row["service_id"],
            backfills.c.job_id == row["id"],
            backfills.c.state == BackfillState.RUNNING,
        )
        .values(state=BackfillState.CANCELLED, continue_at=None, finished_at=now)
    )
