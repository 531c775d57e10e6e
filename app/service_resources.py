"""What clients are answered about services, keys, members and the audit trail."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from app.resources import Page
from domain.access import Role, Scope
from domain.caller import Caller
from domain.keys import Key
from domain.limits import Limits
from domain.resources.instants import Instant, instant, instant_or_none
from domain.service import Member, Service
from queries.list_audit import AuditEntry
from queries.list_memberships import Membership


# The same fields; but all of them are told.
class LimitsResource(Limits, frozen=True, kw_only=True, omit_defaults=False):
    """What a service may use."""


class ServiceResource(Struct, frozen=True, kw_only=True):
    """A service. `signing_secret` is told once: when it is made."""

    id: UUID
    name: str
    limits: LimitsResource
    created_at: Instant
    signing_secret: str | UnsetType = UNSET

    @classmethod
    def of(cls, service: Service, secret: str | UnsetType = UNSET) -> ServiceResource:
        return cls(
            id=service.id,
            name=service.name,
            limits=LimitsResource(**msgspec.structs.asdict(service.limits)),
            created_at=instant(service.created_at),
            signing_secret=secret,
        )


class ServicePage(Page[ServiceResource], frozen=True, kw_only=True):
    """A page of services, newest first; `next_cursor` is null on the last one."""


class KeyResource(Struct, frozen=True, kw_only=True):
    """An API key. `key`, its text, is told once: when it is made; with `made_by` it is revoked."""

    id: UUID
    name: str
    scopes: list[Scope]
    subject: str | None
    made_by: UUID | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None
    key: str | UnsetType = UNSET

    @classmethod
    def of(cls, key: Key, text: str | UnsetType = UNSET) -> KeyResource:
        return cls(
            id=key.id,
            name=key.name,
            scopes=sorted(key.scopes),
            subject=key.subject,
            made_by=key.made_by,
            created_at=instant(key.created_at),
            expires_at=instant_or_none(key.expires_at),
            revoked_at=instant_or_none(key.revoked_at),
            last_used_at=instant_or_none(key.last_used_at),
            key=text,
        )


class KeyPage(Page[KeyResource], frozen=True, kw_only=True):
    """A page of keys, newest first; `next_cursor` is null on the last one."""


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


class AuditResource(Struct, frozen=True, kw_only=True):
    """One command: who did what to which object, from where."""

    at: Instant
    id: UUID
    principal: str
    action: str
    object_id: UUID
    request_id: str
    address: str
    details: msgspec.Raw

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditResource:
        return cls(
            at=instant(entry.at),
            id=entry.id,
            principal=entry.principal,
            action=entry.action,
            object_id=entry.object_id,
            request_id=entry.request_id,
            address=entry.address,
            details=entry.details,
        )


class AuditPage(Page[AuditResource], frozen=True, kw_only=True):
    """A page of the audit trail, newest first; `next_cursor` is null on the last one."""
