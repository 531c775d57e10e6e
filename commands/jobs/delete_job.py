"""Delete a job."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Table, bindparam, delete, update

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.jobs.backfill import BackfillState
from domain.jobs.job import Versions
from storage.cache.job_cache_entry import cache_entry_of_deleted
from storage.jobs.changes import change_from, lock_job, withdraw_to_come
from storage.jobs.counts import uncount_job
from storage.postgres.statements import Statement, given
from storage.runs.claimed_runs import cancel_runs
from storage.schema.tables import backfills, jobs, listings, turns

_OF_JOB = given(turns.c.service_id, turns.c.job_id)
_DELETE_OVERLAP_LOCK = Statement(delete(turns).where(*_OF_JOB))
_CANCEL_BACKFILLS = Statement(
    update(backfills)
    .where(
        *given(backfills.c.service_id, backfills.c.job_id),
        backfills.c.state == BackfillState.RUNNING,
    )
    .values(state=BackfillState.CANCELLED, continue_at=None, finished_at=bindparam("now"))
)


def _deleting(table: Table) -> Statement:
    mine = given(table.c.service_id, table.c.id)
    return Statement(delete(table).where(*mine))


_DELETE, _UNLIST = _deleting(jobs), _deleting(listings)


class DeleteJob(Command, frozen=True, kw_only=True):
    """Attributes:
    versions: The job must have one of these; None for any.
    """

    job_id: UUID
    versions: Versions = None


@unit_of_work
async def delete_job(command: DeleteJob, uow: UnitOfWork) -> None:
    """Delete the job and end its open runs; its history stays readable run by run.

    An attempt that rings at this moment is finished and recorded, but not retried.

    Raises:
        NotFound: When the service has no such job.
        PreconditionFailed: When it has none of the versions.
    """
    driver, now = await uow.begin(), command.now
    key = (command.service_id, command.job_id)
    row = await lock_job(driver, *key, command.versions)
    # The overlap lock before the runs, as wherever both are locked.
    await _DELETE_OVERLAP_LOCK.execute(driver, service_id=key[0], job_id=key[1])
    # Likewise the backfills: whoever makes their runs, or cancels them, has locked them first.
    await _CANCEL_BACKFILLS.execute(driver, service_id=key[0], job_id=key[1], now=now)
    await withdraw_to_come(driver, row, await change_from(driver, row, now))
    await cancel_runs(driver, key, now, "The job was deleted.")
    await _DELETE.execute(driver, service_id=key[0], id=key[1])
    await uncount_job(driver, *key)
    await _UNLIST.execute(driver, service_id=key[0], id=key[1])
    await uow.audit("job.deleted", command.job_id, name=row["name"])
    uow.changes_only(cache_entry_of_deleted(command.job_id, now))
