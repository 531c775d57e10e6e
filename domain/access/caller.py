"""Who calls."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.access.scopes import Scope
from domain.quotas.limits import Limits


class Caller(Struct, frozen=True, kw_only=True):
    """The principal behind a command or query.

    Attributes:
        service_id: The service whose objects the caller sees.
        principal: Who, for the audit: `key:<id>`, `user:<subject>`, `operator` or `worker`.
        request_id: The request, as logs name it.
        scopes: What the caller may do in that service.
        limits: Of that service.
        operator: Whether the caller operates the installation.
        subject: Which person, if it is one.
        key: Service and id of the key, if it is one.
        key_ends_at: When that key ends by itself, if it does.
        address: Where the request came from, as far as that is known.
    """

    service_id: UUID
    principal: str
    request_id: str
    scopes: frozenset[Scope] = frozenset()
    limits: Limits = Limits()
    operator: bool = False
    subject: str | None = None
    key: tuple[UUID, UUID] | None = None
    key_ends_at: datetime | None = None
    address: str = ""
