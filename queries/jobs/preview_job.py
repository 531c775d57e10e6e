"""When a stored job will fire."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.schedules.schedule import Schedule
from storage.jobs.rows import decode_schedule, schedule_of
from storage.shards import Shards
from storage.sql import statement

LOOKED_AT = 20

_SCHEDULE = statement("jobs/schedule", looked_at=LOOKED_AT)
_LOOK_BACK = timedelta(days=31)


class PreviewJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


class JobSchedule(Struct, frozen=True, kw_only=True):
    """Attributes:
    sent: As it is stored.
    schedule: With its calendars filled in.
    usual_duration: The median duration of its last runs.
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
        service_id,
        lambda driver: _SCHEDULE.fetchrow(
            driver, service_id=service_id, job_id=query.job_id, since=since
        ),
    )
    if row is None:
        raise NotFound(f"There is no job {query.job_id}.")
    seconds = row["usual_seconds"]
    return JobSchedule(
        sent=decode_schedule(row["schedule"]),
        schedule=schedule_of(row["schedule"], row["calendars"]),
        usual_duration=None if seconds is None else timedelta(seconds=seconds),
    )
