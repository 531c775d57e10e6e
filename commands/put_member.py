"""Make a person a member of a service, or change the role."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert

from domain.access import SCOPES_OF, Role
from domain.caller import Caller
from domain.keys import check_grant, check_lasting
from domain.service import Member
from storage.audit import record
from storage.quotas import refuse_one_too_many
from storage.service_tables import members
from storage.shards import Shards


class PutMember(Struct, frozen=True, kw_only=True):
    caller: Caller
    subject: str
    role: Role
    now: datetime


async def put_member(command: PutMember, shards: Shards) -> Member:
    """Store the membership; every process knows it within a second.

    Raises:
        Forbidden: When the role has a scope that the caller has not, or the caller is a key that
            ends.
        QuotaExceeded: When the service has as many members as it may.
    """
    check_grant(SCOPES_OF[command.role], command.caller.scopes)
    check_lasting(command.caller)
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id) as connection:
        stored = await connection.execute(
            insert(members)
            .values(
                service_id=service_id,
                subject=command.subject,
                role=command.role,
                created_at=command.now,
            )
            .on_conflict_do_update(
                index_elements=[members.c.service_id, members.c.subject],
                set_={"role": command.role},
            )
            .returning(members.c.created_at)
        )
        created_at: datetime = stored.scalar_one()
        if created_at == command.now:
            await refuse_one_too_many(connection, members, service_id)
        await record(
            connection,
            command.caller,
            "member.put",
            service_id,
            command.now,
            subject=command.subject,
            role=command.role,
        )
    return Member(
        service_id=service_id, subject=command.subject, role=command.role, created_at=created_at
    )
