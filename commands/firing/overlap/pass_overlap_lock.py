"""Pass overlap locks of jobs on, from runs that ended to those that wait longest."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from storage.postgres.pools import Database, Driver
from storage.queue.broker import RunKey
from storage.runs.overlap_lock import lock_overlap, pass_overlap_lock_on
from storage.sql import statement

_FREE = statement("overlap/free")


async def pass_free_overlap_locks(database: Database, limit: int) -> list[RunKey]:
    """Find overlap locks that nobody uses though runs wait for them, and pass them on.

    Returns:
        Runs that may be dispatched now.
    """
    async with database.driver() as driver:
        free = await _FREE.fetch(driver, most=limit)
    return await pass_overlap_locks(database, [(row["service_id"], row["job_id"]) for row in free])


async def pass_overlap_locks(database: Database, jobs: Iterable[tuple[UUID, UUID]]) -> list[RunKey]:
    """Pass on the overlap locks of jobs whose run has ended, if a run waits.

    Returns:
        Runs that may be dispatched now.
    """
    async with database.driver() as driver:
        passed = [await _pass_on(driver, service_id, job_id) for service_id, job_id in jobs]
    return [run for run in passed if run is not None]


async def _pass_on(driver: Driver, service_id: UUID, job_id: UUID) -> RunKey | None:
    async with driver.transaction():
        if await lock_overlap(driver, service_id, job_id) is not None:
            return None  # somebody else was quicker
        run_id = await pass_overlap_lock_on(driver, service_id, job_id)
    return None if run_id is None else (service_id, run_id)
