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
    state, open, attempt_count, backfill_id)
SELECT $1, job_id, scheduled_for, generation, id, due_at, overlap, $8, 'scheduled', true, 0, $9
FROM unnest($2::uuid[], $3::timestamptz[], $4::smallint[], $5::uuid[], $6::timestamptz[],
    $7::text[]) AS wanted (job_id, scheduled_for, generation, id, due_at, overlap)
ON CONFLICT DO NOTHING
RETURNING id
"""


class MoreRun(Struct, frozen=True, kw_only=True):
    """A run to make, of a fire time that may have runs already."""

    job_id: UUID
    scheduled_for: datetime
    overlap: Overlap


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

    The caller holds a lock that keeps others from making runs of these fire times meanwhile.
    Generation 0 is left to the schedule itself, which may not have come to a fire time yet.

    Returns:
        Their keys, ready to be handed over after the commit.
    """
    if not wanted:
        return []
    known = await driver.fetch(
        _GENERATIONS,
        service_id,
        [one.job_id for one in wanted],
        [one.scheduled_for for one in wanted],
    )
    generations = [row["generation"] + 1 for row in known]
    ids = [
        run_id(one.job_id, one.scheduled_for, generation)
        for one, generation in zip(wanted, generations, strict=True)
    ]
    written = await driver.fetch(
        _WRITE,
        service_id,
        [one.job_id for one in wanted],
        [one.scheduled_for for one in wanted],
        generations,
        ids,
        [due_at] * len(wanted),
        [one.overlap for one in wanted],
        trigger,
        backfill_id,
    )
    return [(service_id, row["id"]) for row in written]
