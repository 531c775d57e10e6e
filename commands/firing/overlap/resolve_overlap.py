"""Decide what becomes of a run that could not begin: mostly, another one of its job is active."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from commands.firing.overlap.skip_blocked import SKIPPED
from commands.firing.overlap.uncount_runs import uncount
from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap, Verdict, ends_others, verdict
from domain.runs.run import RunState, Trigger
from storage.postgres.pools import Database, Driver
from storage.runs.aborts import ABORT_CHANNEL, end_running
from storage.runs.overlap_lock import (
    LockOwner,
    WaitingRun,
    contend,
    give_overlap_lock,
    is_first_in_order,
    lock_overlap,
    waiting_runs,
)
from storage.sql import statement

_LOCK_JOB = statement("overlap/lock_job")
_MY_RUN = statement("overlap/my_run")
_SKIP = statement("overlap/skip")
_WAIT = statement("overlap/wait")
_ASK_TO_END = statement("overlap/ask_to_end")
_END_IDLE = statement("overlap/end_idle")


class ResolveOverlap(Struct, frozen=True, kw_only=True):
    worker_id: UUID
    run: TakenRun
    now: datetime


async def resolve_overlap(command: ResolveOverlap, database: Database) -> bool:
    """Apply the run's overlap policy, with its job and the job's overlap lock locked.

    Returns:
        Whether the run is to be begun now: it has the overlap lock.
    """
    run = command.run
    async with database.driver() as driver, driver.transaction():
        job = await _LOCK_JOB.fetchrow(driver, service_id=run.service_id, job_id=run.job_id)
        if job is None:
            return False  # deleted: its runs are cancelled
        owner = await lock_overlap(driver, run.service_id, run.job_id)
        mine = await _MY_RUN.fetchrow(
            driver,
            **_key(run),
            worker_id=command.worker_id,
            due_at=run.due_at,
            number=run.number,
        )
        if mine is None:
            return False
        if mine["state"] == RunState.RUNNING or (owner is not None and owner.id == run.id):
            # It may have the lock and not have begun: its row changed while the statement ran, and
            # Postgres, checking the newer version, did not see the lock that this statement gave.
            return True
        policy = Overlap(mine["overlap"])
        if policy is Overlap.ALLOW_ALL:
            return True
        waiting = await waiting_runs(driver, run.service_id, run.job_id)
        is_free = owner is None and await _is_next(driver, run, policy, waiting)
        if is_free or await _make_room(driver, command, owner, policy):
            await give_overlap_lock(driver, run.service_id, run.job_id, run.id, run.scheduled_for)
            return True
        if verdict(policy, others_wait=bool(waiting)) is Verdict.SKIP:
            await _skip(driver, command, job, mine["trigger"])
        else:
            await _WAIT.execute(driver, **_key(run))
            await contend(driver, run.service_id, run.job_id)
    return False


def _key(run: TakenRun) -> dict[str, object]:
    return {"service_id": run.service_id, "run_id": run.id, "scheduled_for": run.scheduled_for}


async def _skip(driver: Driver, command: ResolveOverlap, job: asyncpg.Record, trigger: str) -> None:
    run = command.run
    await _SKIP.execute(driver, **_key(run), now=command.now, reason=SKIPPED)
    if trigger == Trigger.SCHEDULE:
        await uncount(driver, run.service_id, job, [run.scheduled_for])


async def _is_next(
    driver: Driver, run: TakenRun, policy: Overlap, waiting: Sequence[WaitingRun]
) -> bool:
    """Whether the run is the one to get the overlap lock, when no other has it."""
    if policy is not Overlap.BUFFER_ALL:
        return not waiting
    # One that was long on its way comes before those that had to wait for it.
    if waiting and (waiting[0].due_at, waiting[0].id) < (run.due_at, run.id):
        return False
    return await is_first_in_order(driver, run.service_id, run.job_id, run.id)


async def _make_room(
    driver: Driver, command: ResolveOverlap, owner: LockOwner | None, policy: Overlap
) -> bool:
    """End others, or ask them to, if the policy wants it; return whether none is left."""
    if not ends_others(policy):
        return False
    if policy is Overlap.CANCEL_OTHER:
        return not await _ask_others_to_end(driver, command, owner)
    await _end_others(driver, command, owner)
    return True


async def _ask_others_to_end(
    driver: Driver, command: ResolveOverlap, owner: LockOwner | None
) -> bool:
    """Ask the run that rings to end, and end those that do not; return whether one rings."""
    run = command.run
    if owner is not None and owner.abort:
        # It was asked already; to write its row again would hold up its end. If it has ended
        # meanwhile, the sweep passes the lock on.
        await _end_idle(driver, command, owner)
        return True
    asked = owner is not None and await _ASK_TO_END.fetch(
        driver,
        service_id=run.service_id,
        job_id=run.job_id,
        scheduled_for=owner.scheduled_for,
        run_id=owner.id,
        reason=_replaced_by(run),
    )
    await _end_idle(driver, command, owner)
    if asked:
        await driver.execute(f"NOTIFY {ABORT_CHANNEL}")
    return bool(asked)


async def _end_others(driver: Driver, command: ResolveOverlap, owner: LockOwner | None) -> None:
    run = command.run
    if owner is not None:
        reason = _replaced_by(run)
        await end_running(
            driver, run.service_id, owner.id, owner.scheduled_for, command.now, reason
        )
    await _end_idle(driver, command, owner)


async def _end_idle(driver: Driver, command: ResolveOverlap, owner: LockOwner | None) -> None:
    """End what waits for the lock, for its next attempt, or in a worker."""
    run = command.run
    await _END_IDLE.execute(
        driver,
        service_id=run.service_id,
        job_id=run.job_id,
        now=command.now,
        reason=_replaced_by(run),
        holder_id=owner and owner.id,
        run_id=run.id,
    )


def _replaced_by(run: TakenRun) -> str:
    return f"Run {run.id} of the job took its place."
