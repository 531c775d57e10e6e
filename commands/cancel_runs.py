"""Cancel runs: what waits does not ring, and what rings is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.caller import Caller
from domain.errors import Conflict, NotFound
from domain.ids import fire_time_window
from domain.run import Run, RunState
from domain.run_filter import RunFilter
from storage.aborts import end_running
from storage.audit import record_with
from storage.postgres import Driver
from storage.runs import SHOWN_COLUMNS, run_of
from storage.shards import Shards
from storage.sql import statement

RUNS_AT_ONCE = 1_000
REASON = "It was cancelled."

_ONE = """
SELECT id, job_id, scheduled_for, state, open FROM runs
WHERE service_id = $1 AND id = $2 AND scheduled_for >= $3 AND scheduled_for < $4
FOR UPDATE
"""

_OPEN = """
SELECT id, job_id, scheduled_for, state, open FROM runs
WHERE service_id = $1 AND open
    AND ($2::uuid IS NULL OR job_id = $2)
    AND ($3::timestamptz IS NULL OR scheduled_for >= $3)
    AND ($4::timestamptz IS NULL OR scheduled_for < $4)
    AND ($5::text IS NULL OR trigger = $5)
    AND ($6::text[] IS NULL OR state = ANY ($6))
ORDER BY due_at
LIMIT $7
FOR UPDATE
"""

_CANCEL_WAITING = statement("cancel/waiting")

_READ = f"SELECT {SHOWN_COLUMNS} FROM runs WHERE service_id = $1 AND id = $2 AND scheduled_for = $3"


class CancelRun(Struct, frozen=True, kw_only=True):
    caller: Caller
    run_id: UUID
    now: datetime


class CancelRuns(Struct, frozen=True, kw_only=True):
    caller: Caller
    chosen: RunFilter
    now: datetime
    limit: int = RUNS_AT_ONCE


async def cancel_run(command: CancelRun, shards: Shards) -> Run:
    """End an open run. Cancelling a cancelled run changes nothing.

    Raises:
        Conflict: When the run has ended otherwise.
        NotFound: When the service has no such run.
    """
    service_id = command.caller.service_id
    window = fire_time_window(command.run_id)
    async with shards.of(service_id).writing_driver(service_id, (), command.caller.claim) as driver:
        row = await driver.fetchrow(_ONE, service_id, command.run_id, *window)
        if row is None:
            raise NotFound(f"There is no run {command.run_id}.")
        if not row["open"] and row["state"] != RunState.CANCELLED:
            raise Conflict(f"The run has ended already: {row['state']}.")
        if row["open"]:
            await _cancel(driver, service_id, [row], command.now)
            await record_with(driver, command.caller, "run.cancelled", row["id"], command.now)
        (read,) = await driver.fetch(_READ, service_id, row["id"], row["scheduled_for"])
        cancelled = run_of(read)
        command.caller.settle(cancelled)
    return cancelled


async def cancel_runs(command: CancelRuns, shards: Shards) -> int:
    """End open runs, those due first first.

    Returns:
        How many; as many as the limit means that there may be more.
    """
    service_id = command.caller.service_id
    chosen = command.chosen
    async with shards.of(service_id).writing_driver(service_id, (), command.caller.claim) as driver:
        rows = await driver.fetch(
            _OPEN,
            service_id,
            chosen.job_id,
            chosen.since,
            chosen.before,
            chosen.trigger,
            chosen.states or None,
            command.limit,
        )
        if rows:
            await _cancel(driver, service_id, rows, command.now)
            await record_with(
                driver,
                command.caller,
                "run.cancelled",
                rows[0]["id"],
                command.now,
                count=len(rows),
            )
        command.caller.settle(len(rows))
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
