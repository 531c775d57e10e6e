"""Make a person a member of a service, or change the role."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.access.keys import check_grant, check_lasting
from domain.access.scopes import SCOPES_OF, Role
from domain.access.service import Member
from storage.postgres.statements import Statement, values_of
from storage.schema.service_tables import members
from storage.services.quotas import refuse_one_too_many

_PUT = Statement(
    insert(members)
    .values(**values_of("service_id", "subject", "role"), created_at=bindparam("now"))
    .on_conflict_do_update(
        index_elements=[members.c.service_id, members.c.subject],
        set_=values_of("role"),
    )
    .returning(members.c.created_at)
)


class PutMember(Command, frozen=True, kw_only=True):
    subject: str
    role: Role


@unit_of_work
async def put_member(command: PutMember, uow: UnitOfWork) -> Member:
    """Store the membership; every process knows it within a second.

    Raises:
        Forbidden: When the role has a scope that the caller has not, or the caller is a key that
            ends.
        QuotaExceeded: When the service has as many members as it may.
    """
    check_grant(SCOPES_OF[command.role], command.caller.scopes)
    check_lasting(command.caller)
    service_id, subject, role = command.service_id, command.subject, command.role
    driver = await uow.begin()
    created_at = await _PUT.fetchval(
        driver, service_id=service_id, subject=subject, role=role, now=command.now
    )
    if created_at == command.now:
        await refuse_one_too_many(driver, members, service_id)
    await uow.audit("member.put", service_id, subject=subject, role=role)
    return Member(service_id=service_id, subject=subject, role=role, created_at=created_at)
