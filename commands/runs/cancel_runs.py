"""Cancel runs: what waits does not ring, and what rings is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Conflict, NotFound
from domain.filters.run_filter import RunFilter
from domain.ids import fire_time_window
from domain.runs.run import Run, RunState
from storage.postgres.pools import Driver
from storage.runs.aborts import end_running
from storage.runs.rows import SHOWN_COLUMNS, run_of
from storage.sql import statement

RUNS_AT_ONCE = 1_000
REASON = "It was cancelled."

_ONE = """
SELECT id, job_id, scheduled_for, state, open FROM runs
WHERE service_id = $1 AND id = $2 AND scheduled_for >= $3 AND scheduled_for < $4
FOR UPDATE
"""

_OPEN = statement("cancel/open")
_CANCEL_WAITING = statement("cancel/waiting")

_READ = f"SELECT {SHOWN_COLUMNS} FROM runs WHERE service_id = $1 AND id = $2 AND scheduled_for = $3"


class CancelRun(Command, frozen=True, kw_only=True):
    run_id: UUID


class CancelRuns(Command, frozen=True, kw_only=True):
    chosen: RunFilter
    limit: int = RUNS_AT_ONCE


@unit_of_work
async def cancel_run(command: CancelRun, uow: UnitOfWork) -> Run:
    """End an open run. Cancelling a cancelled run changes nothing.

    Raises:
        Conflict: When the run has ended otherwise.
        NotFound: When the service has no such run.
    """
    driver, service_id = await uow.begin(), command.service_id
    uow.changes_only()
    window = fire_time_window(command.run_id)
    row = await driver.fetchrow(_ONE, service_id, command.run_id, *window)
    if row is None:
        raise NotFound(f"There is no run {command.run_id}.")
    if not row["open"] and row["state"] != RunState.CANCELLED:
        raise Conflict(f"The run has ended already: {row['state']}.")
    if row["open"]:
        await _cancel(driver, service_id, [row], command.now)
        await uow.audit("run.cancelled", row["id"])
    (read,) = await driver.fetch(_READ, service_id, row["id"], row["scheduled_for"])
    return run_of(read)


@unit_of_work
async def cancel_runs(command: CancelRuns, uow: UnitOfWork) -> int:
    """End open runs, those due first first.

    Returns:
        How many; as many as the limit means that there may be more.
    """
    driver, chosen = await uow.begin(), command.chosen
    uow.changes_only()
    rows = await _OPEN.fetch(
        driver,
        service_id=command.service_id,
        job_id=chosen.job_id,
        since=chosen.since,
        before=chosen.before,
        trigger=chosen.trigger,
        states=chosen.states or None,
        most=command.limit,
    )
    if rows:
        await _cancel(driver, command.service_id, rows, command.now)
        await uow.audit("run.cancelled", rows[0]["id"], count=len(rows))
    return len(rows)


async def _cancel(
    driver: Driver, service_id: UUID, rows: Sequence[asyncpg.Record], now: datetime
) -> None:
    waiting = [row for row in rows if row["state"] != RunState.RUNNING]
    for row in rows:
        if row["state"] == RunState.RUNNING:
            await end_running(driver, service_id, row["id"], row["scheduled_for"], now, REASON)
    if waiting:
        fire_times = [row["scheduled_for"] for row in waiting]
        await _CANCEL_WAITING.execute(
            driver,
            service_id=service_id,
            run_ids=[row["id"] for row in waiting],
            fire_times=fire_times,
            now=now,
            reason=REASON,
            first=min(fire_times),
            last=max(fire_times),
        )
