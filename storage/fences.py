"""Whether runs are still as their owner knows them, by a statement that waits for nobody.

An UPDATE that had to wait for a row may tell of none though the row matches
(findings/update_that_waited_finds_nothing.sh): what it does not return is asked for again before
that is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import structlog
from msgspec import Struct

from storage.partitions import looked_up
from storage.postgres import Driver

log = structlog.get_logger()
ASK_AT_MOST = 10
"""Each time it is asked in vain, another transaction has changed the very row meanwhile."""

_STILL = f"""
SELECT runs.id
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::text[],
    $7::smallint[], $8::timestamptz[])
    AS fence (service_id, job_id, scheduled_for, id, owned_by, state, attempt_count, due_at)
JOIN runs ON {looked_up("fence", "$9", "$10")} AND runs.job_id = fence.job_id
    AND runs.scheduled_for = fence.scheduled_for AND runs.id = fence.id
    AND runs.held_by = fence.owned_by AND runs.state = fence.state
    AND runs.attempt_count = fence.attempt_count
    AND (fence.due_at IS NULL OR runs.due_at = fence.due_at)
"""


class Fence(Struct, frozen=True, kw_only=True):
    """What has to hold of a run for its owner to move it on.

    Attributes:
        due_at: None where it does not matter.
    """

    service_id: UUID
    job_id: UUID
    scheduled_for: datetime
    id: UUID
    owned_by: UUID
    state: str
    attempt_count: int
    due_at: datetime | None = None


async def still_fenced(driver: Driver, fences: Sequence[Fence]) -> set[UUID]:
    """The ids of those runs of which it still holds."""
    if not fences:
        return set()
    fire_times = [fence.scheduled_for for fence in fences]
    rows = await driver.fetch(
        _STILL,
        [fence.service_id for fence in fences],
        [fence.job_id for fence in fences],
        fire_times,
        [fence.id for fence in fences],
        [fence.owned_by for fence in fences],
        [fence.state for fence in fences],
        [fence.attempt_count for fence in fences],
        [fence.due_at for fence in fences],
        min(fire_times),
        max(fire_times),
    )
    found = {row["id"] for row in rows}
    if found:
        log.info("runs.asked_again", count=len(found))
    return found
