"""What a list tells of its runs beside what they are themselves."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from domain.runs.run import Run
from storage.postgres import Driver

_NAMES = "SELECT id, name FROM jobs WHERE service_id = $1 AND id = ANY ($2::uuid[])"
# The window keeps the look within a few partitions.
_LAST_ATTEMPTS = """
SELECT DISTINCT ON (run_id) run_id, status_code, error FROM attempts
WHERE service_id = $1 AND run_id = ANY ($2::uuid[])
    AND scheduled_for >= $3 AND scheduled_for <= $4
ORDER BY run_id, number DESC
"""


class Told(Struct, frozen=True, kw_only=True):
    """Of one run.

    Attributes:
        job_name: As it is now; None once the job is deleted.
        status_code: What the last attempt that ended was answered.
        error: What went wrong in it.
    """

    job_name: str | None = None
    status_code: int | None = None
    error: str | None = None


async def told_of(runs: Sequence[Run], service_id: UUID, driver: Driver) -> dict[UUID, Told]:
    """What is told of each run, by its id."""
    if not runs:
        return {}
    named = await driver.fetch(_NAMES, service_id, list({run.job_id for run in runs}))
    names = {row["id"]: row["name"] for row in named}
    tried = [run for run in runs if run.attempt_count]
    attempts = {}
    if tried:
        fire_times = [run.scheduled_for for run in tried]
        rows = await driver.fetch(
            _LAST_ATTEMPTS,
            service_id,
            [run.id for run in tried],
            min(fire_times),
            max(fire_times),
        )
        attempts = {row["run_id"]: (row["status_code"], row["error"]) for row in rows}
    nothing = (None, None)
    return {
        run.id: Told(
            job_name=names.get(run.job_id),
            status_code=attempts.get(run.id, nothing)[0],
            error=attempts.get(run.id, nothing)[1],
        )
        for run in runs
    }
