"""Ending runs that ring: their worker is told to cut the attempt off."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from storage.postgres.heartbeats import LAPSE
from storage.postgres.pools import Driver
from storage.sql import statement

ABORT_CHANNEL = "tocsin_abort"
"""Workers listen here; whatever is lost, they also look once a second."""

_END = statement("cancel/running")
_TO_ABORT = "SELECT id, open FROM runs WHERE held_by = $1 AND abort"

_ABORTED = """
UPDATE runs SET abort = false, held_by = NULL
WHERE held_by = $1 AND abort AND NOT open AND id = ANY ($2::uuid[])
"""

_FORGET_LAPSED = statement("cancel/forget_aborted", lapse=LAPSE)


async def end_running(  # noqa: PLR0917 (a run's key, and what is said of its end)
    driver: Driver,
    service_id: UUID,
    run_id: UUID,
    scheduled_for: datetime,
    now: datetime,
    reason: str,
) -> bool:
    """End a run that rings, at once; return whether it did ring."""
    ended = await _END.fetch(
        driver,
        service_id=service_id,
        run_id=run_id,
        scheduled_for=scheduled_for,
        now=now,
        reason=reason,
    )
    if ended:
        await driver.execute(f"NOTIFY {ABORT_CHANNEL}")
    return bool(ended)


async def runs_to_abort(driver: Driver, worker_id: UUID) -> set[UUID]:
    """The runs whose attempts a worker is to cut off."""
    rows = await driver.fetch(_TO_ABORT, worker_id)
    return {row["id"] for row in rows}


async def note_aborted(driver: Driver, worker_id: UUID, run_ids: Collection[UUID]) -> None:
    """Forget about runs that have ended already and ring no more."""
    await driver.execute(_ABORTED, worker_id, list(run_ids))


async def forget_lapsed(driver: Driver) -> None:
    """Forget about ended runs of workers that are no more: nobody is left to cut them off."""
    await _FORGET_LAPSED.execute(driver)
