"""Replay runs: new runs of the same fire times."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Conflict, NotFound
from domain.filters.run_filter import RunFilter
from domain.ids import EPOCH, fire_time_window
from domain.policies.overlap import Overlap
from domain.runs.run import Run, Trigger
from storage.postgres.pools import Driver
from storage.queue.broker import RunKey
from storage.runs.extra_runs import MOST_GENERATIONS, ExtraRun, write_extra_runs
from storage.runs.rows import SHOWN_COLUMNS, run_of
from storage.schema.retention import ExpiringDays, expiring_days
from storage.sql import statement

RUNS_AT_ONCE = 1_000
_NONE = ExpiringDays(EPOCH, EPOCH)
# One after the other: a job whose runs must not overlap would lose all but one.
OVERLAP = Overlap.BUFFER_ALL

_ONE = """
SELECT job_id, scheduled_for, id, utc_offset, open FROM runs
WHERE service_id = $1 AND id = $2 AND scheduled_for >= $3 AND scheduled_for < $4
FOR UPDATE
"""

_FAILED = statement("replay/failed")
_NOTE = statement("replay/note")
_LOCK_JOB = "SELECT FROM jobs WHERE service_id = $1 AND id = $2 FOR UPDATE"

_WRITTEN = f"SELECT {SHOWN_COLUMNS} FROM runs WHERE service_id = $1 AND id = $2"


class ReplayRun(Command, frozen=True, kw_only=True):
    run_id: UUID


class ReplayRuns(Command, frozen=True, kw_only=True):
    """Attributes:
    chosen: Of the failed runs; its state is not looked at.
    """

    chosen: RunFilter
    limit: int = RUNS_AT_ONCE


@unit_of_work
async def replay_run(command: ReplayRun, uow: UnitOfWork) -> Run:
    """Make a new run of an ended run's fire time.

    Raises:
        Conflict: When the run has not ended, its day is dropped soon, its job was deleted, or its
            fire time has had as many runs as it may.
        NotFound: When the service has no such run.
    """
    driver, service_id = await uow.begin(), command.service_id
    window = fire_time_window(command.run_id)
    old = await driver.fetchrow(_ONE, service_id, command.run_id, *window)
    if old is None:
        raise NotFound(f"There is no run {command.run_id}.")
    if old["open"]:
        raise Conflict("The run has not ended; cancel it first, or wait.")
    expiring = await expiring_days(driver)
    if expiring is not None and old["scheduled_for"] in expiring:
        raise Conflict(
            "History of the run's day is about to be deleted; runs of"
            f" {expiring.until:%Y-%m-%d} and later can be replayed."
        )
    if not await driver.fetch(_LOCK_JOB, service_id, old["job_id"]):
        raise Conflict("The run's job was deleted, and with it the target.")
    keys = await _replay(uow, driver, [old], command)
    if not keys:
        raise Conflict(f"This fire time has had {MOST_GENERATIONS:,} runs; trigger the job.")
    (written,) = await driver.fetch(_WRITTEN, *keys[0])
    return run_of(written)


@unit_of_work
async def replay_runs(command: ReplayRuns, uow: UnitOfWork) -> int:
    """Replay failed runs, the oldest first; those whose day is dropped soon are left out.

    Returns:
        How many; as many as the limit means that there may be more.
    """
    driver, chosen = await uow.begin(), command.chosen
    uow.changes_only()
    expiring = await expiring_days(driver) or _NONE
    failed = await _FAILED.fetch(
        driver,
        service_id=command.service_id,
        job_id=chosen.job_id,
        since=chosen.since,
        before=chosen.before,
        trigger=chosen.trigger,
        expires_from=expiring.start,
        expires_until=expiring.until,
        most=command.limit,
    )
    return len(await _replay(uow, driver, failed, command)) if failed else 0


async def _replay(
    uow: UnitOfWork, driver: Driver, old: list[asyncpg.Record], command: ReplayRun | ReplayRuns
) -> list[RunKey]:
    service_id = command.service_id
    wanted = [
        ExtraRun(
            job_id=row["job_id"],
            scheduled_for=row["scheduled_for"],
            overlap=OVERLAP,
            utc_offset=row["utc_offset"],
        )
        for row in old
    ]
    keys = await write_extra_runs(
        driver, service_id, wanted, trigger=Trigger.REPLAY, due_at=command.now
    )
    await _NOTE.execute(
        driver,
        service_id=service_id,
        job_ids=[row["job_id"] for row in old],
        fire_times=[row["scheduled_for"] for row in old],
        run_ids=[row["id"] for row in old],
    )
    await uow.audit("run.replayed", old[0]["id"], count=len(old))
    uow.changes_only()
    uow.dispatch(keys)
    return keys
