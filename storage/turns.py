"""Whose turn it is: of each job's runs, one at a time, unless its overlap policy allows all."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct, convert

from domain.overlap import Overlap
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
SELECT id, scheduled_for, due_at, overlap FROM runs
WHERE service_id = $1 AND job_id = $2 AND buffered ORDER BY due_at, id LIMIT $3
"""

NO_RUN = UUID(int=0)
"""What has a turn that no run has had yet."""


def first_in_order(service_id: str, job_id: str) -> str:
    """A statement that tells which of a job's open runs of `buffer_all` was due first."""
    return f"""
    SELECT first.id FROM runs AS first
    WHERE first.service_id = {service_id} AND first.job_id = {job_id}
        AND first.open AND first.overlap = '{Overlap.BUFFER_ALL}'
    ORDER BY first.due_at, first.id LIMIT 1
    """


_FIRST_IN_ORDER = first_in_order("$1", "$2")

_GIVE = """
UPDATE turns SET run_id = $3, scheduled_for = $4, contended = $5
WHERE service_id = $1 AND job_id = $2
"""

# It has waited for its turn until the run ended that had it; what comes after that is lateness.
_LET_GO = """
UPDATE runs SET buffered = false,
    overlap_wait_ms = CASE WHEN attempt_count = 0 THEN greatest(extract(epoch FROM (
        SELECT before.finished_at FROM turns JOIN runs AS before
            ON before.service_id = turns.service_id AND before.job_id = turns.job_id
            AND before.scheduled_for = turns.scheduled_for AND before.id = turns.run_id
        WHERE turns.service_id = $1 AND turns.job_id = $2
    ) - due_at) * 1000, 0) ELSE overlap_wait_ms END
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


class WaitingRun(Struct, frozen=True, kw_only=True):
    """A run that waits for its job's turn."""

    id: UUID
    scheduled_for: datetime
    due_at: datetime
    overlap: Overlap


async def waiting_runs(
    driver: Driver, service_id: UUID, job_id: UUID, most: int = 1
) -> list[WaitingRun]:
    """Those that wait for a job's locked turn, the first first."""
    rows = await driver.fetch(_WAITING, service_id, job_id, most)
    return [convert(dict(row), WaitingRun) for row in rows]


async def is_first_in_order(driver: Driver, service_id: UUID, job_id: UUID, run_id: UUID) -> bool:
    """Whether no run of `buffer_all` that was due earlier waits, rings or is on its way."""
    first: UUID | None = await driver.fetchval(_FIRST_IN_ORDER, service_id, job_id)
    return first == run_id


async def contend(driver: Driver, service_id: UUID, job_id: UUID) -> None:
    """Note that a run waits: no other may take the turn before it."""
    await driver.execute(_CONTEND, service_id, job_id)


async def give_turn(
    driver: Driver, service_id: UUID, job_id: UUID, run_id: UUID, scheduled_for: datetime
) -> None:
    """Give a job's locked turn to a run that does not wait."""
    waits = await waiting_runs(driver, service_id, job_id)
    await driver.execute(_GIVE, service_id, job_id, run_id, scheduled_for, bool(waits))


async def pass_turn_on(driver: Driver, service_id: UUID, job_id: UUID) -> UUID | None:
    """Give a job's locked turn to the run that waits longest.

    Returns:
        Its id, ready to be handed over; None when none waits, or it is still to wait for one that
        is on its way and comes before it.
    """
    waiting = await waiting_runs(driver, service_id, job_id, 2)
    if not waiting:
        await driver.execute(
            "UPDATE turns SET contended = false WHERE service_id = $1 AND job_id = $2",
            service_id,
            job_id,
        )
        return None
    first = waiting[0]
    if first.overlap is Overlap.BUFFER_ALL and not await is_first_in_order(
        driver, service_id, job_id, first.id
    ):
        return None
    await driver.execute(_LET_GO, service_id, job_id, first.scheduled_for, first.id)
    await driver.execute(_GIVE, service_id, job_id, first.id, first.scheduled_for, len(waiting) > 1)
    return first.id
