"""The audit trail."""

from __future__ import annotations

from uuid import UUID

import msgspec
from msgspec import Struct

from app.schemas.pages import Page
from queries.services.list_audit import AuditEntry
from storage.documents.instants import Instant, instant


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
