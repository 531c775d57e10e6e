"""Further runs of fire times that have had theirs: backfills and replays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.ids import run_id
from domain.overlap import Overlap
from domain.run import Trigger
from storage.postgres import Driver
from storage.queue import RunKey

MOST_GENERATIONS = 32_767
"""Of a fire time: as many runs as the table can tell apart, beside the schedule's own."""

_GENERATIONS = """
SELECT wanted.job_id, wanted.scheduled_for, (
    SELECT coalesce(max(generation), 0) FROM runs
    WHERE runs.service_id = $1 AND runs.job_id = wanted.job_id
        AND runs.scheduled_for = wanted.scheduled_for
) AS generation
FROM unnest($2::uuid[], $3::timestamptz[]) AS wanted (job_id, scheduled_for)
"""

_WRITE = """
INSERT INTO runs (service_id, job_id, scheduled_for, generation, id, due_at, overlap, trigger,
    state, open, attempt_count, backfill_id, utc_offset)
SELECT $1, job_id, scheduled_for, generation, id, due_at, overlap, $8, 'scheduled', true, 0, $9,
    utc_offset
FROM unnest($2::uuid[], $3::timestamptz[], $4::smallint[], $5::uuid[], $6::timestamptz[],
    $7::text[], $10::int[])
    AS wanted (job_id, scheduled_for, generation, id, due_at, overlap, utc_offset)
ON CONFLICT DO NOTHING
RETURNING id
"""


class MoreRun(Struct, frozen=True, kw_only=True):
    """A run to make, of a fire time that may have runs already."""

    job_id: UUID
    scheduled_for: datetime
    overlap: Overlap
    utc_offset: int


async def write_more_runs(
    driver: Driver,
    service_id: UUID,
    wanted: Sequence[MoreRun],
    *,
    trigger: Trigger,
    due_at: datetime,
    backfill_id: UUID | None = None,
) -> list[RunKey]:
    """Write runs that are due now, each as the next generation of its fire time.

    Generation 0 is left to the schedule itself, which may not have come to a fire time yet.

    A fire time that has had 32,767 of them gets no more.

    Returns:
        Their keys in the order wanted, ready to be handed over after the commit.
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
        rows = await driver.fetch(
            _WRITE,
            service_id,
            [wanted[number].job_id for number, _, _ in tried],
            [wanted[number].scheduled_for for number, _, _ in tried],
            [generation for _, generation, _ in tried],
            [new for _, _, new in tried],
            [due_at] * len(tried),
            [wanted[number].overlap for number, _, _ in tried],
            trigger,
            backfill_id,
            [wanted[number].utc_offset for number, _, _ in tried],
        )
        written = {row["id"] for row in rows}
        made |= {number: new for number, _, new in tried if new in written}
        missing = [number for number, _, new in tried if new not in written]
    return [(service_id, new) for _, new in sorted(made.items())]


async def _next_ids(
    driver: Driver, service_id: UUID, wanted: Sequence[MoreRun]
) -> list[tuple[int, UUID]]:
    """The next generation of each fire time, and the id of its run."""
    known = await driver.fetch(
        _GENERATIONS,
        service_id,
        [one.job_id for one in wanted],
        [one.scheduled_for for one in wanted],
    )
    latest = {(row["job_id"], row["scheduled_for"]): row["generation"] for row in known}
    found: list[tuple[int, UUID]] = []
    for one in wanted:
        generation = latest[one.job_id, one.scheduled_for] + 1
        latest[one.job_id, one.scheduled_for] = generation
        found.append((generation, run_id(one.job_id, one.scheduled_for, generation)))
    return found
