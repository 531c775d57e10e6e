"""When a stored job will fire."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.schedules.schedule import Schedule
from storage.jobs.rows import CALENDARS_OF_JOB, decode_schedule, schedule_of
from storage.shards import Shards

LOOKED_AT = 20

_SCHEDULE = f"""
SELECT schedule, {CALENDARS_OF_JOB} AS calendars, (
    SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY last.took)) FROM (
        SELECT finished_at - started_at AS took FROM runs
        WHERE runs.service_id = jobs.service_id AND runs.job_id = jobs.id AND state = 'succeeded'
            AND scheduled_for > $3
        ORDER BY scheduled_for DESC LIMIT {LOOKED_AT}
    ) AS last
)::float8 AS usual_seconds
FROM jobs WHERE service_id = $1 AND id = $2
"""
_LOOK_BACK = timedelta(days=31)


class PreviewJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


class JobSchedule(Struct, frozen=True, kw_only=True):
    """Attributes:
    sent: As it is stored.
    schedule: With its calendars filled in.
    usual_duration: How long its last runs took, in the middle.
    """

    sent: Schedule
    schedule: Schedule
    usual_duration: timedelta | None


async def schedule_to_preview(query: PreviewJob, shards: Shards) -> JobSchedule:
    """A job's schedule with its calendars filled in.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id
    since = query.now - _LOOK_BACK
    row = await shards.of(service_id).read(
        service_id, lambda driver: driver.fetchrow(_SCHEDULE, service_id, query.job_id, since)
    )
    if row is None:
        raise NotFound(f"There is no job {query.job_id}.")
    seconds = row["usual_seconds"]
    return JobSchedule(
        sent=decode_schedule(row["schedule"]),
        schedule=schedule_of(row["schedule"], row["calendars"]),
        usual_duration=None if seconds is None else timedelta(seconds=seconds),
    )
