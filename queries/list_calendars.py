"""A service's calendars, by name."""

from __future__ import annotations

from msgspec import Struct

from domain.caller import Caller
from domain.schedules.calendar import Calendar
from storage.calendars import CALENDAR_COLUMNS, calendar_of
from storage.shards import Shards

_LIST = f"""
SELECT {CALENDAR_COLUMNS} FROM calendars WHERE service_id = $1 AND name > $2 ORDER BY name LIMIT $3
"""


class ListCalendars(Struct, frozen=True, kw_only=True):
    """Attributes:
    after: Name of the last calendar on the page before.
    """

    caller: Caller
    limit: int
    after: str


async def list_calendars(query: ListCalendars, shards: Shards) -> list[Calendar]:
    """At most `limit` calendars."""
    service_id = query.caller.service_id
    rows = await shards.of(service_id).read(
        service_id, lambda driver: driver.fetch(_LIST, service_id, query.after, query.limit)
    )
    return [calendar_of(row) for row in rows]
