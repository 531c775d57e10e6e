"""A service's calendars, by name."""

from __future__ import annotations

from msgspec import Struct

from domain.access.caller import Caller
from domain.schedules.calendar import Calendar
from storage.calendars import CALENDAR_COLUMNS, calendar_of
from storage.page_bytes import Cut, as_far_as_it_fits, bytes_of, cut
from storage.shards import Shards

_REST_BYTES = 1_024
"""Of all that a calendar has beside what it excludes and how it is described."""
_SIZED = f"""
SELECT *, {bytes_of("exclude")} + octet_length(description) + {_REST_BYTES} AS bytes
FROM calendars WHERE service_id = $1 AND name > $2 ORDER BY name LIMIT $3
"""
_LIST = f"""
SELECT {CALENDAR_COLUMNS}, bytes
FROM ({as_far_as_it_fits(_SIZED, order="name")}) AS page ORDER BY name
"""


class ListCalendars(Struct, frozen=True, kw_only=True):
    """Attributes:
    after: Name of the last calendar on the page before.
    """

    caller: Caller
    limit: int
    after: str


async def list_calendars(query: ListCalendars, shards: Shards) -> Cut[Calendar]:
    """At most `limit` calendars."""
    service_id = query.caller.service_id
    rows = await shards.of(service_id).read(
        service_id, lambda driver: driver.fetch(_LIST, service_id, query.after, query.limit + 1)
    )
    found = cut(rows, query.limit, lambda row: row["bytes"])
    return Cut([calendar_of(row) for row in found.items], found.more)
