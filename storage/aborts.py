"""Ending runs that ring: their worker is told to cut the attempt off."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from storage.heartbeats import BEATS
from storage.postgres import Driver
from storage.run_events import ENDED, event_of
from storage.runs import lateness_ms

ABORT_CHANNEL = "tocsin_abort"
"""Workers listen here; whatever is lost, they also look once a second."""

# The attempt goes to the record here; what the worker says of it later is fenced off.
_END = f"""
WITH ended AS (
    UPDATE runs
    SET state = 'cancelled', open = false, abort = true,
        finished_at = greatest($4, attempt_started_at), reason = $5,
        started_at = coalesce(started_at, attempt_started_at),
        lateness_ms = coalesce(lateness_ms, {lateness_ms("attempt_started_at")})
    WHERE service_id = $1 AND id = $2 AND scheduled_for = $3 AND state = 'running'
    RETURNING {ENDED}, id, attempt_count, scheduled_for, attempt_started_at
), told AS (
    {event_of("ended")}
)
INSERT INTO attempts (service_id, run_id, number, scheduled_for, started_at, finished_at, outcome,
    error)
SELECT service_id, id, attempt_count, scheduled_for, attempt_started_at, finished_at,
    'abandoned', $5
FROM ended
ON CONFLICT DO NOTHING
RETURNING run_id
"""

_TO_ABORT = "SELECT id, open FROM runs WHERE held_by = $1 AND abort"

_ABORTED = """
UPDATE runs SET abort = false, held_by = NULL
WHERE held_by = $1 AND abort AND NOT open AND id = ANY ($2::uuid[])
"""

# Partial indexes hold the few such runs, so a look costs next to nothing.
_FORGET_LAPSED = f"""
UPDATE runs SET abort = false, held_by = NULL
WHERE (service_id, job_id, scheduled_for, generation) IN (
    SELECT service_id, job_id, scheduled_for, generation
    FROM runs
    WHERE abort AND NOT open
        AND NOT EXISTS (SELECT FROM workers WHERE workers.id = held_by AND {BEATS})
    FOR UPDATE SKIP LOCKED
)
"""


async def end_running(  # noqa: PLR0917 (a run's key, and what is said of its end)
    driver: Driver,
    service_id: UUID,
    run_id: UUID,
    scheduled_for: datetime,
    now: datetime,
    reason: str,
) -> bool:
    """End a run that rings, at once; return whether it did ring."""
    ended = await driver.fetch(_END, service_id, run_id, scheduled_for, now, reason)
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
    await driver.execute(_FORGET_LAPSED)
