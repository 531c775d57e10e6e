"""API keys."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from domain.access.keys import Key
from domain.access.scopes import Scope
from domain.durations import AwareInstant, Duration
from storage.documents.instants import Instant, instant, instant_or_none

_PRINTABLE = r"^[^\x00-\x1f\x7f]*(?!\n)$"
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=_PRINTABLE)]
Scopes = Annotated[list[Scope], Meta(max_length=len(Scope))]


class KeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make."""

    EXAMPLES: ClassVar[Examples] = (
        Example(
            "worker",
            "A key that does all but to administer",
            {"name": "billing-backend", "scopes": ["read", "operate", "write"]},
        ),
    )

    name: KeyName
    scopes: Scopes
    expires_at: AwareInstant | None = None


class RotationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to replace a key: the old one stays good for the overlap."""

    EXAMPLES: ClassVar[Examples] = (
        Example("hour", "Both are good for an hour", {"overlap": "PT1H"}),
    )

    overlap: Duration = "P1D"
    expires_at: Annotated[
        AwareInstant | UnsetType | None,
        Meta(description="Of the new key; the old one's if left out, null for no end"),
    ] = UNSET


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
