"""A schedule that is not stored, with the calendars that it names filled in."""

from __future__ import annotations

from msgspec import Struct

from domain.access.caller import Caller
from domain.schedules.schedule import Schedule
from storage.jobs.calendars import full_schedule
from storage.shards import Shards


class FillInCalendars(Struct, frozen=True, kw_only=True):
    caller: Caller
    schedule: Schedule


async def fill_in_calendars(query: FillInCalendars, shards: Shards) -> Schedule:
    """The schedule, ready to be reckoned with.

    Raises:
        Invalid: With a pointer to the name of a calendar that the service does not have.
    """
    if not query.schedule.calendars:
        return query.schedule
    service_id = query.caller.service_id
    return await shards.of(service_id).read(
        service_id, lambda driver: full_schedule(driver, service_id, query.schedule, lock=False)
    )
