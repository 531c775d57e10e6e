"""Whose turn it is: of each job's runs, one at a time, unless its overlap policy allows all."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from storage.postgres import Driver

_LOCK = """
SELECT run_id, scheduled_for FROM turns WHERE service_id = $1 AND job_id = $2 FOR UPDATE
"""

# With the row locked, a statement of its own sees all that was committed before.
_HOLDER = """
SELECT id, scheduled_for, generation, state, held_by, attempt_count, attempt_started_at, abort
FROM runs
WHERE service_id = $1 AND job_id = $2 AND scheduled_for = $3 AND id = $4 AND open
"""

_WAITING = """
SELECT id, scheduled_for FROM runs
WHERE service_id = $1 AND job_id = $2 AND buffered ORDER BY due_at, id LIMIT $3
"""

_GIVE = """
UPDATE turns SET run_id = $3, scheduled_for = $4, contended = $5
WHERE service_id = $1 AND job_id = $2
"""

_LET_GO = """
UPDATE runs SET buffered = false
WHERE service_id = $1 AND job_id = $2 AND scheduled_for = $3 AND id = $4 AND buffered
"""

_CONTEND = "UPDATE turns SET contended = true WHERE service_id = $1 AND job_id = $2"


class Holder(Struct, frozen=True, kw_only=True):
    """The open run that has a job's turn.

    Attributes:
        abort: Whether it rings and was asked to end.
    """

    id: UUID
    scheduled_for: datetime
    generation: int
    state: str
    held_by: UUID | None
    attempt_count: int
    attempt_started_at: datetime | None
    abort: bool


async def lock_turn(driver: Driver, service_id: UUID, job_id: UUID) -> Holder | None:
    """Lock a job's turn until the transaction ends.

    Returns:
        The run that has it, or None when that has ended, or was withdrawn.
    """
    turn = await driver.fetchrow(_LOCK, service_id, job_id)
    if turn is None:
        return None
    row = await driver.fetchrow(_HOLDER, service_id, job_id, turn["scheduled_for"], turn["run_id"])
    return None if row is None else Holder(**row)


async def someone_waits(driver: Driver, service_id: UUID, job_id: UUID) -> bool:
    """Whether a run waits for a job's locked turn."""
    return bool(await driver.fetch(_WAITING, service_id, job_id, 1))


async def contend(driver: Driver, service_id: UUID, job_id: UUID) -> None:
    """Note that a run waits: no other may take the turn before it."""
    await driver.execute(_CONTEND, service_id, job_id)


async def give_turn(
    driver: Driver, service_id: UUID, job_id: UUID, run_id: UUID, scheduled_for: datetime
) -> None:
    """Give a job's locked turn to a run that does not wait."""
    waits = await someone_waits(driver, service_id, job_id)
    await driver.execute(_GIVE, service_id, job_id, run_id, scheduled_for, waits)


async def pass_turn_on(driver: Driver, service_id: UUID, job_id: UUID) -> UUID | None:
    """Give a job's locked turn to the run that waits longest.

    Returns:
        Its id, ready to be handed over; None when none waits.
    """
    waiting = await driver.fetch(_WAITING, service_id, job_id, 2)
    if not waiting:
        await driver.execute(
            "UPDATE turns SET contended = false WHERE service_id = $1 AND job_id = $2",
            service_id,
            job_id,
        )
        return None
    first: UUID = waiting[0]["id"]
    key = (service_id, job_id, waiting[0]["scheduled_for"], first)
    await driver.execute(_LET_GO, *key)
    await driver.execute(
        _GIVE, service_id, job_id, first, waiting[0]["scheduled_for"], len(waiting) > 1
    )
    return first
