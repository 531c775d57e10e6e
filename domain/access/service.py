"""A service: a client system that owns jobs, keys and limits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.access.scopes import Role
from domain.quotas.limits import Limits

SUBJECT = r"^[!-~]{1,200}(?!\n)$"
"""A person's `sub` at the identity provider."""


class Service(Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    limits: Limits = Limits()
    created_at: datetime


class Member(Struct, frozen=True, kw_only=True):
    """A person in a service.

    Attributes:
        subject: The person's `sub` at the identity provider.
    """

    service_id: UUID
    subject: str
    role: Role
    created_at: datetime
