"""Further runs of fire times that have had theirs: backfills and replays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.ids import run_id
from domain.policies.overlap import Overlap
from domain.runs.run import Trigger
from storage.postgres.pools import Driver
from storage.queue.broker import RunKey
from storage.sql import statement

MOST_GENERATIONS = 32_767
"""Of a fire time: as many runs as the table can tell apart, beside the schedule's own."""

_GENERATIONS = statement("backfills/generations")
_WRITE = statement("backfills/write_runs")


class ExtraRun(Struct, frozen=True, kw_only=True):
    """A run to make, of a fire time that may have runs already."""

    job_id: UUID
    scheduled_for: datetime
    overlap: Overlap
    utc_offset: int


async def write_extra_runs(
    driver: Driver,
    service_id: UUID,
    wanted: Sequence[ExtraRun],
    *,
    trigger: Trigger,
    due_at: datetime,
    backfill_id: UUID | None = None,
) -> list[RunKey]:
    """Write runs that are due now, each as the next generation of its fire time.

    Generation 0 is left to the schedule itself, which may not have come to a fire time yet.

    A fire time that has had 32,767 of them gets no more.

    Returns:
        Their keys in the order wanted, ready to be dispatched after the commit.
    """
    # Whoever makes runs of the same fire times at the same time takes a generation from us.
    made: dict[int, UUID] = {}
    missing = list(range(len(wanted)))
    while missing:
        ids = await _next_ids(driver, service_id, [wanted[number] for number in missing])
        tried = [
            (number, generation, new)
            for number, (generation, new) in zip(missing, ids, strict=True)
            if generation <= MOST_GENERATIONS
        ]
        rows = await _WRITE.fetch(
            driver,
            service_id=service_id,
            job_ids=[wanted[number].job_id for number, _, _ in tried],
            fire_times=[wanted[number].scheduled_for for number, _, _ in tried],
            generations=[generation for _, generation, _ in tried],
            run_ids=[new for _, _, new in tried],
            due_at=[due_at] * len(tried),
            overlaps=[wanted[number].overlap for number, _, _ in tried],
            trigger=trigger,
            backfill_id=backfill_id,
            utc_offsets=[wanted[number].utc_offset for number, _, _ in tried],
        )
        written = {row["id"] for row in rows}
        made |= {number: new for number, _, new in tried if new in written}
        missing = [number for number, _, new in tried if new not in written]
    return [(service_id, new) for _, new in sorted(made.items())]


async def _next_ids(
    driver: Driver, service_id: UUID, wanted: Sequence[ExtraRun]
) -> list[tuple[int, UUID]]:
    """The next generation of each fire time, and the id of its run."""
    known = await _GENERATIONS.fetch(
        driver,
        service_id=service_id,
        job_ids=[one.job_id for one in wanted],
        fire_times=[one.scheduled_for for one in wanted],
    )
    latest = {(row["job_id"], row["scheduled_for"]): row["generation"] for row in known}
    found: list[tuple[int, UUID]] = []
    for one in wanted:
        generation = latest[one.job_id, one.scheduled_for] + 1
        latest[one.job_id, one.scheduled_for] = generation
        found.append((generation, run_id(one.job_id, one.scheduled_for, generation)))
    return found
