"""Recover runs that a worker process owns and has forgotten."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from commands.firing.finish_attempts import finish_attempts
from commands.firing.give_back_runs import GiveBackRuns, give_back_runs
from commands.firing.rescue_runs import abandoned
from domain.runs.run import RunState
from storage.postgres.pools import Driver
from storage.queue.broker import RunKey
from storage.shards import Shard
from storage.sql import statement

LOOKED_AT = 100_000
"""How many of the oldest open, due runs are looked at: a forgotten one is among them in time."""

_LOST = "The worker that made this attempt lost sight of it."

_OWNED = statement("rescue/owned", looked_at=LOOKED_AT)
_FORGOTTEN_ATTEMPTS = statement("rescue/forgotten_attempts")


class OwnedRun(Struct, frozen=True, kw_only=True):
    """A run that waits or rings in a worker, as Postgres knows it."""

    service_id: UUID
    id: UUID
    state: str
    attempt_count: int


class RecoverRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: They neither wait nor ring in the worker that owns them.
    """

    worker_id: UUID
    runs: Collection[OwnedRun]
    now: datetime


async def owned_runs(driver: Driver, worker_id: UUID, due_before: datetime) -> set[OwnedRun]:
    """The runs due by then that a worker owns, whether it knows of them or not."""
    rows = await _OWNED.fetch(driver, worker_id=worker_id, due_before=due_before)
    return {OwnedRun(**row) for row in rows}


async def recover_runs(command: RecoverRuns, shard: Shard) -> list[RunKey]:
    """Free those that wait; end the attempts of those that ring, as abandoned.

    Returns:
        Freed runs, ready to be dispatched. Abandoned ones come back as retries.
    """
    ringing = [run for run in command.runs if run.state == RunState.RUNNING]
    waiting = [(run.service_id, run.id) for run in command.runs if run not in ringing]
    if ringing:
        async with shard.database.driver() as driver:
            rows = await _FORGOTTEN_ATTEMPTS.fetch(
                driver,
                worker_id=command.worker_id,
                service_ids=[run.service_id for run in ringing],
                run_ids=[run.id for run in ringing],
                attempt_counts=[run.attempt_count for run in ringing],
            )
        ended = [replace(abandoned(row, command.now), error=_LOST) for row in rows]
        await finish_attempts(ended, shard)
    if not waiting:
        return []
    give_back = GiveBackRuns(worker_id=command.worker_id, runs=waiting)
    return await give_back_runs(give_back, shard.database)
