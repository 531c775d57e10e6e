"""The fire ledger's own rows: fire times that made no run, in stretches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.policies.catchup import Outcome, Stretch
from storage.postgres.pools import Driver
from storage.sql import statement

_WRITE = statement("ledger/write")
_RECORDED_BY_RUNS = statement("ledger/recorded_by_runs")

_OPEN_PAUSE = """
INSERT INTO ledger (service_id, job_id, first, last, outcome) VALUES ($1, $2, $3, 'infinity', $4)
ON CONFLICT DO NOTHING
"""

_UNRECORD_AFTER = """
DELETE FROM ledger
WHERE service_id = $1 AND job_id = $2 AND last > $3 AND last <> 'infinity'
RETURNING first
"""

# Claims look ahead for what is excluded, and for what is beyond a quota; all else is told when it
# has passed.
_RECORDED_AS_PAST = """
SELECT max(last) FROM ledger
WHERE service_id = $1 AND job_id = $2 AND last > $3 AND last <> 'infinity'
    AND outcome NOT IN ('excluded', 'quota')
"""

_CLOSE_PAUSE = """
DELETE FROM ledger WHERE service_id = $1 AND job_id = $2 AND last = 'infinity'
"""


class JobStretch(Stretch, frozen=True, kw_only=True):
    """A stretch of a job's fire times."""

    service_id: UUID
    job_id: UUID

    @classmethod
    def of(cls, service_id: UUID, job_id: UUID, stretch: Stretch) -> JobStretch:
        return cls(
            service_id=service_id,
            job_id=job_id,
            first=stretch.first,
            last=stretch.last,
            outcome=stretch.outcome,
            count=stretch.count,
        )


async def write_stretches(driver: Driver, stretches: Sequence[JobStretch]) -> None:
    """Write what became of fire times that will not run."""
    if stretches:
        await _WRITE.execute(
            driver,
            service_ids=[one.service_id for one in stretches],
            job_ids=[one.job_id for one in stretches],
            first=[one.first for one in stretches],
            last=[one.last for one in stretches],
            outcomes=[one.outcome for one in stretches],
            counts=[one.count for one in stretches],
        )


async def recorded_by_runs(
    driver: Driver, positions: Sequence[tuple[UUID, UUID, datetime]]
) -> dict[UUID, list[datetime]]:
    """The fire times later than the positions of locked jobs that have their run already.

    When a claim-ahead is undone, runs that were cancelled ahead of their fire time stay.

    Args:
        positions: Services, jobs, and up to where these are accounted for.
    """
    rows = await _RECORDED_BY_RUNS.fetch(
        driver,
        service_ids=[service_id for service_id, _, _ in positions],
        job_ids=[job_id for _, job_id, _ in positions],
        accounted_to=[instant for _, _, instant in positions],
    )
    return {row["job_id"]: row["instants"] for row in rows}


async def unrecord_after(
    driver: Driver, service_id: UUID, job_id: UUID, instant: datetime
) -> list[datetime]:
    """Delete what is told already of fire times later than an instant, as claims look ahead.

    Returns:
        The beginnings of the stretches deleted.
    """
    rows = await driver.fetch(_UNRECORD_AFTER, service_id, job_id, instant)
    return [row["first"] for row in rows]


async def takes_effect_at(
    driver: Driver, service_id: UUID, job_id: UUID, now: datetime
) -> datetime:
    """From when on a command on a locked job may change what becomes of its fire times.

    It is later than `now` where a claim has recorded later fire times as past: the command has
    waited for the job, or its process's clock is behind. What is recorded so stays.
    """
    told: datetime | None = await driver.fetchval(_RECORDED_AS_PAST, service_id, job_id, now)
    return now if told is None else told


async def open_pause(driver: Driver, service_id: UUID, job_id: UUID, first: datetime) -> None:
    """From `first` on, nothing fires until the pause is closed."""
    await driver.execute(_OPEN_PAUSE, service_id, job_id, first, Outcome.PAUSED)


async def close_pause(driver: Driver, service_id: UUID, job_id: UUID) -> None:
    """Take back the stretch without an end; what passed meanwhile is for the caller to write."""
    await driver.execute(_CLOSE_PAUSE, service_id, job_id)
