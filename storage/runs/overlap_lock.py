"""The overlap lock of a job: one of its runs has it at a time, unless its policy allows all."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct, convert

from domain.policies.overlap import Overlap
from storage.postgres.pools import Driver
from storage.sql import statement

_LOCK = statement("overlap/lock")
_OWNER = statement("overlap/lock_owner")
_WAITING = statement("overlap/buffered")
_FIRST_IN_ORDER = statement("overlap/first_in_order")
_GIVE = statement("overlap/give")
_UNBUFFER = statement("overlap/unbuffer")
_CONTEND = statement("overlap/contend")


class LockOwner(Struct, frozen=True, kw_only=True):
    """The open run that has a job's overlap lock.

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


async def lock_overlap(driver: Driver, service_id: UUID, job_id: UUID) -> LockOwner | None:
    """Lock a job's overlap lock until the transaction ends.

    Returns:
        The run that has it, or None when that has ended, or was withdrawn.
    """
    lock = await _LOCK.fetchrow(driver, service_id=service_id, job_id=job_id)
    if lock is None:
        return None
    row = await _OWNER.fetchrow(driver, service_id=service_id, job_id=job_id, **lock)
    return None if row is None else LockOwner(**row)


class WaitingRun(Struct, frozen=True, kw_only=True):
    """A run that waits for its job's overlap lock."""

    id: UUID
    scheduled_for: datetime
    due_at: datetime
    overlap: Overlap


async def waiting_runs(
    driver: Driver, service_id: UUID, job_id: UUID, most: int = 1
) -> list[WaitingRun]:
    """Those that wait for a job's overlap lock, which is locked; the first first."""
    rows = await _WAITING.fetch(driver, service_id=service_id, job_id=job_id, most=most)
    return [convert(dict(row), WaitingRun) for row in rows]


async def is_first_in_order(driver: Driver, service_id: UUID, job_id: UUID, run_id: UUID) -> bool:
    """Whether no run of `buffer_all` that was due earlier waits, rings or is on its way."""
    first: UUID | None = await _FIRST_IN_ORDER.fetchval(
        driver, service_id=service_id, job_id=job_id
    )
    return first == run_id


async def contend(driver: Driver, service_id: UUID, job_id: UUID) -> None:
    """Note that a run waits: no other may take the overlap lock before it."""
    await _CONTEND.execute(driver, service_id=service_id, job_id=job_id, contended=True)


async def give_overlap_lock(
    driver: Driver, service_id: UUID, job_id: UUID, run_id: UUID, scheduled_for: datetime
) -> None:
    """Give a job's overlap lock, which is locked, to a run that does not wait."""
    waits = await waiting_runs(driver, service_id, job_id)
    await _GIVE.execute(
        driver,
        service_id=service_id,
        job_id=job_id,
        run_id=run_id,
        scheduled_for=scheduled_for,
        contended=bool(waits),
    )


async def pass_overlap_lock_on(driver: Driver, service_id: UUID, job_id: UUID) -> UUID | None:
    """Give a job's overlap lock, which is locked, to the run that waits longest.

    Returns:
        Its id, ready to be dispatched; None when none waits, or it is still to wait for one that
        is on its way and comes before it.
    """
    waiting = await waiting_runs(driver, service_id, job_id, 2)
    if not waiting:
        await _CONTEND.execute(driver, service_id=service_id, job_id=job_id, contended=False)
        return None
    first = waiting[0]
    if first.overlap is Overlap.BUFFER_ALL and not await is_first_in_order(
        driver, service_id, job_id, first.id
    ):
        return None
    key = {
        "service_id": service_id,
        "job_id": job_id,
        "scheduled_for": first.scheduled_for,
        "run_id": first.id,
    }
    await _UNBUFFER.execute(driver, **key)
    await _GIVE.execute(driver, **key, contended=len(waiting) > 1)
    return first.id
