"""What clients send about services, keys and members."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.access import Role, Scope
from domain.durations import AwareInstant, Duration
from domain.limits import Limits

# Nothing that two people could read as the same name. What looks like an id is taken for one first.
SERVICE_NAME = r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?(?!\n)$"
_PRINTABLE = r"^[^\x00-\x1f\x7f]*(?!\n)$"

ServiceName = Annotated[str, Meta(pattern=SERVICE_NAME, max_length=64, examples=["billing"])]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=_PRINTABLE)]
Scopes = Annotated[list[Scope], Meta(max_length=len(Scope))]


class ServiceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service to make."""

    name: ServiceName


class ServiceChangesBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a service."""

    limits: Limits


class KeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make."""

    name: KeyName
    scopes: Scopes
    expires_at: AwareInstant | None = None


class RotationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to replace a key: the old one stays good for the overlap."""

    overlap: Duration = timedelta(days=1)
    expires_at: Annotated[
        AwareInstant | UnsetType | None,
        Meta(description="Of the new key; the old one's if left out, null for no end"),
    ] = UNSET


class MemberBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person is to be in a service."""

    role: Role
