"""A service's calendars, by name."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import ColumnElement, bindparam, func, literal_column, select

from domain.access.caller import Caller
from domain.schedules.calendar import Calendar
from queries.sql_parts import LIMIT, as_far_as_it_fits, number
from storage.cache.page_bytes import Cut, bytes_of, cut
from storage.jobs.calendars import calendar_of
from storage.postgres.statements import Statement
from storage.schema.tables import calendars
from storage.shards import Shards

_REST_BYTES = 1_024
"""Of all that a calendar has beside what it excludes and how it is described."""
_BYTES: ColumnElement[int] = (
    literal_column(bytes_of("exclude"))
    + func.octet_length(calendars.c.description)
    + number(_REST_BYTES)
)
_LIST = Statement(
    as_far_as_it_fits(
        select(*(calendars.c[name] for name in Calendar.__struct_fields__), _BYTES.label("bytes"))
        .where(
            calendars.c.service_id == bindparam("service_id"),
            calendars.c.name > bindparam("after"),
        )
        .order_by(calendars.c.name)
        .limit(LIMIT),
        "name",
    )
)


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
        service_id,
        lambda driver: _LIST.fetch(
            driver, service_id=service_id, after=query.after, limit=query.limit + 1
        ),
    )
    found = cut(rows, query.limit, lambda row: row["bytes"])
    return Cut([calendar_of(row) for row in found.items], found.more)
