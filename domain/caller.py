"""Who calls."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct


class Caller(Struct, frozen=True, kw_only=True):
    """The principal behind a command or query.

    Attributes:
        service_id: The service whose objects the caller sees.
        principal: Who, for the audit: `key:<id>`.
        request_id: The request, as logs name it.
    """

    service_id: UUID
    principal: str
    request_id: str
