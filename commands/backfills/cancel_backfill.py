"""End a backfill."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select, update

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import NotFound
from domain.jobs.backfill import Backfill, BackfillState
from storage.jobs.backfills import backfill_of
from storage.postgres.statements import Statement, given
from storage.runs.claimed_runs import cancel_runs
from storage.schema.tables import backfills

_THIS = given(backfills.c.service_id, backfills.c.id)
_LOCK = Statement(select(backfills).where(*_THIS).with_for_update())
_CANCEL = Statement(
    update(backfills)
    .where(*_THIS)
    .values(state=BackfillState.CANCELLED, continue_at=None, finished_at=bindparam("now"))
    .returning(backfills)
)


class CancelBackfill(Command, frozen=True, kw_only=True):
    backfill_id: UUID


@unit_of_work
async def cancel_backfill(command: CancelBackfill, uow: UnitOfWork) -> Backfill:
    """End the backfill, and its runs that do not ring at this moment.

    A backfill that is over stays as it is, but for runs that still wait.

    Raises:
        NotFound: When the service has no such backfill.
    """
    driver, service_id = await uow.begin(), command.service_id
    uow.changes_only()
    key = {"service_id": service_id, "id": command.backfill_id}
    row = await _LOCK.fetchrow(driver, **key)
    if row is None:
        raise NotFound(f"There is no backfill {command.backfill_id}.")
    await cancel_runs(
        driver,
        (service_id, row["job_id"]),
        command.now,
        "Its backfill was cancelled.",
        backfill_id=command.backfill_id,
    )
    if row["state"] != BackfillState.RUNNING:
        return backfill_of(row)
    await uow.audit("backfill.cancelled", command.backfill_id)
    (cancelled,) = await _CANCEL.fetch(driver, **key, now=command.now)
    return backfill_of(cancelled)
