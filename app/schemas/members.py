"""People of a service, and who calls."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from domain.access.caller import Caller
from domain.access.scopes import Role, Scope
from domain.access.service import Member
from queries.services.list_memberships import Membership
from storage.documents.instants import Instant, instant


class MemberBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person is to be in a service."""

    EXAMPLES: ClassVar[Examples] = (
        Example("operator", "Reads, operates and writes", {"role": "operator"}),
    )

    role: Role


class MemberResource(Struct, frozen=True, kw_only=True):
    """A person in a service; `subject` is the `sub` of the identity provider."""

    subject: str
    role: Role
    created_at: Instant

    @classmethod
    def of(cls, member: Member) -> MemberResource:
        return cls(subject=member.subject, role=member.role, created_at=instant(member.created_at))


class MemberPage(Page[MemberResource], frozen=True, kw_only=True):
    """A page of members by subject; `next_cursor` is null on the last one."""


class MembershipResource(Struct, frozen=True, kw_only=True):
    """What the caller is in a service."""

    service_id: UUID
    service_name: str
    role: Role


class MeResource(Struct, frozen=True, kw_only=True):
    """Who calls, the service that the request acted in, and what the caller may do there."""

    principal: str
    subject: str | None
    service_id: UUID
    scopes: list[Scope]
    operator: bool
    memberships: list[MembershipResource]

    @classmethod
    def of(cls, caller: Caller, memberships: list[Membership]) -> MeResource:
        return cls(
            principal=caller.principal,
            subject=caller.subject,
            service_id=caller.service_id,
            scopes=sorted(caller.scopes),
            operator=caller.operator,
            memberships=[
                MembershipResource(
                    service_id=one.service_id, service_name=one.service_name, role=one.role
                )
                for one in memberships
            ],
        )
