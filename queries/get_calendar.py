"""One calendar."""

from __future__ import annotations

from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.schedules.calendar import Calendar
from storage.calendars import CALENDAR_COLUMNS, calendar_of
from storage.shards import Shards

_GET = f"SELECT {CALENDAR_COLUMNS} FROM calendars WHERE service_id = $1 AND name = $2"


class GetCalendar(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str


async def get_calendar(query: GetCalendar, shards: Shards) -> Calendar:
    """The calendar.

    Raises:
        NotFound: When the service has no such calendar.
    """
    service_id = query.caller.service_id
    row = await shards.of(service_id).read(
        service_id, lambda driver: driver.fetchrow(_GET, service_id, query.name)
    )
    if row is None:
        raise NotFound(f"There is no calendar {query.name!r}.")
    return calendar_of(row)
