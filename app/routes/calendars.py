"""`/calendars`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from litestar import Controller, Response, delete, get, put
from litestar.params import JSONBody, PathParameter

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_name
from app.requests.request import ServiceRequest
from app.responses.answers import made, stored
from app.responses.problems import problems
from app.schemas.calendars import CalendarBody, CalendarPage, CalendarResource
from app.schemas.schedules import CALENDAR_NAME
from commands.calendars.delete_calendar import DeleteCalendar, delete_calendar
from commands.calendars.put_calendar import PutCalendar, put_calendar
from queries.calendars.get_calendar import GetCalendar, get_calendar
from queries.calendars.list_calendars import ListCalendars, list_calendars

NamePath = Annotated[str, PathParameter(pattern=CALENDAR_NAME)]

_CURSORS = by_name("calendars")


class CalendarController(Controller):
    """Calendars of the calling service, which schedules name in `exclude`."""

    path = "/calendars"
    tags = ("Calendars",)

    @get(
        operation_id="listCalendars",
        needs=Access.READ,
        summary="List calendars by name",
    )
    async def page(
        self, request: ServiceRequest, limit: Limit = 50, cursor: Cursor = None
    ) -> CalendarPage:
        query = ListCalendars(
            caller=request.caller, limit=limit, after=_CURSORS.after(cursor) or ""
        )
        found = await list_calendars(query, request.shards)
        return CalendarPage(
            items=[CalendarResource.of(calendar) for calendar in found.items],
            next_cursor=_CURSORS.behind_cut(found, lambda calendar: calendar.name),
        )

    @get(
        "/{name:str}",
        operation_id="getCalendar",
        needs=Access.READ,
        summary="Read a calendar",
        responses=problems(404),
    )
    async def read(self, name: NamePath, request: ServiceRequest) -> CalendarResource:
        query = GetCalendar(caller=request.caller, name=name)
        return CalendarResource.of(await get_calendar(query, request.shards))

    @put(
        "/{name:str}",
        operation_id="putCalendar",
        needs=Access.WRITE,
        summary="Make a calendar, or replace what it holds",
        status_code=200,
        responses=made(CalendarResource),
    )
    async def store(
        self, name: NamePath, data: JSONBody[CalendarBody], request: ServiceRequest
    ) -> Response[CalendarResource]:
        command = PutCalendar(
            caller=request.caller,
            name=name,
            description=data.description,
            exclude=data.exclusions(),
            now=datetime.now(UTC),
        )
        calendar = await put_calendar(command, request.shards)
        is_new = calendar.created_at == command.now
        return stored(CalendarResource.of(calendar), is_new=is_new)

    @delete(
        "/{name:str}",
        operation_id="deleteCalendar",
        needs=Access.WRITE,
        summary="Delete a calendar that no job uses",
        responses=problems(404, 409),
    )
    async def remove(self, name: NamePath, request: ServiceRequest) -> None:
        command = DeleteCalendar(caller=request.caller, name=name, now=datetime.now(UTC))
        await delete_calendar(command, request.shards)
