"""Delete a job."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import delete

from domain.caller import Caller
from storage.audit import record
from storage.job_changes import cancel_runs, lock_job, withdraw_runs
from storage.shards import Shards
from storage.tables import jobs


class DeleteJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


async def delete_job(command: DeleteJob, shards: Shards) -> None:
    """Delete the job and end its open runs; its history stays readable run by run.

    An attempt that rings at this moment is finished and recorded, but not retried.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        await withdraw_runs(connection, service_id, row["id"])
        await cancel_runs(connection, service_id, row["id"], command.now)
        await connection.execute(
            delete(jobs).where(jobs.c.service_id == service_id, jobs.c.id == row["id"])
        )
        await record(
            connection, command.caller, "job.deleted", row["id"], command.now, name=row["name"]
        )
