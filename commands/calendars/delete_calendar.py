"""Delete a calendar."""

from __future__ import annotations

from sqlalchemy import Text, bindparam, delete, select
from sqlalchemy.dialects.postgresql import ARRAY

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Conflict, NotFound
from domain.ids import new_id
from storage.postgres.pools import search_by_terms
from storage.postgres.statements import Statement, given
from storage.schema.tables import calendars, jobs

_DELETE = Statement(
    delete(calendars)
    .where(*given(calendars.c.service_id, calendars.c.name))
    .returning(calendars.c.name)
)
_USER = Statement(
    select(jobs.c.id)
    .where(
        *given(jobs.c.service_id),
        jobs.c.calendars.contains(bindparam("names", type_=ARRAY(Text))),
    )
    .limit(1)
)


class DeleteCalendar(Command, frozen=True, kw_only=True):
    name: str


@unit_of_work
async def delete_calendar(command: DeleteCalendar, uow: UnitOfWork) -> None:
    """Delete the calendar.

    Raises:
        Conflict: When a job's schedule names it.
        NotFound: When the service has no such calendar.
    """
    driver = await uow.begin()
    service_id, name = command.service_id, command.name
    # The delete waits for commands that hold the calendar in order to name it.
    if not await _DELETE.fetch(driver, service_id=service_id, name=name):
        raise NotFound(f"There is no calendar {name!r}.")
    async with search_by_terms(driver):
        user = await _USER.fetchval(driver, service_id=service_id, names=[name])
    if user is not None:
        raise Conflict(f"Job {user} uses this calendar; give it another schedule first.")
    await uow.audit("calendar.deleted", new_id(), name=name)
    uow.changes_only()
