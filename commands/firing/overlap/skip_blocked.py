"""End runs that could not begin and whose overlap policy skips them, all of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from storage.postgres.pools import Database
from storage.sql import statement

SKIPPED = "An earlier run of the job was still active."

SKIP_BLOCKED = statement("overlap/skip_blocked")


class SkipBlocked(Struct, frozen=True, kw_only=True):
    """Attributes:
    runs: At most one of each job.
    """

    worker_id: UUID
    runs: Sequence[TakenRun]
    now: datetime


async def skip_blocked(command: SkipBlocked, database: Database) -> set[UUID]:
    """End those runs while another one of their job is open, and return their ids.

    The others have another policy, are not this worker's any more, or need a look of their own
    (commands/firing/overlap/resolve_overlap.py).
    """
    runs = [run for run in command.runs if run.overlap is Overlap.SKIP]
    if not runs:
        return set()
    fire_times = [run.scheduled_for for run in runs]
    async with database.driver() as driver:
        rows = await SKIP_BLOCKED.fetch(
            driver,
            worker_id=command.worker_id,
            service_ids=[run.service_id for run in runs],
            job_ids=[run.job_id for run in runs],
            fire_times=fire_times,
            run_ids=[run.id for run in runs],
            numbers=[run.number for run in runs],
            due_at=[run.due_at for run in runs],
            now=command.now,
            reason=SKIPPED,
            first=min(fire_times),
            last=max(fire_times),
        )
    return {row["id"] for row in rows}
