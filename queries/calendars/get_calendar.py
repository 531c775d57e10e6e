"""One calendar."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import bindparam, select

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.schedules.calendar import Calendar
from queries.sql_parts import columns_of
from storage.jobs.calendars import calendar_of
from storage.postgres.statements import Statement
from storage.schema.tables import calendars
from storage.shards import Shards

_GET = Statement(
    select(*columns_of(calendars, Calendar)).where(
        calendars.c.service_id == bindparam("service_id"), calendars.c.name == bindparam("name")
    )
)


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
        service_id, lambda driver: _GET.fetchrow(driver, service_id=service_id, name=query.name)
    )
    if row is None:
        raise NotFound(f"There is no calendar {query.name!r}.")
    return calendar_of(row)
