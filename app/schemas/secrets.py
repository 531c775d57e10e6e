"""What clients send and are answered about secrets."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from domain.durations import Duration, written
from domain.targets.secrets import MAX_VALUE_BYTES, NAME, Secret
from domain.targets.signing import DEFAULT_OVERLAP, SigningSecret
from storage.documents.instants import Instant, instant, instant_or_none

SECRET_NAME = rf"^{NAME}(?!\n)$"


class SecretBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The value of a secret."""

    EXAMPLES: ClassVar[Examples] = (
        Example("token", "A token of the target's", {"value": "s3cr3t"}),
    )

    value: Annotated[str, Meta(min_length=1, max_length=MAX_VALUE_BYTES, pattern=r"^[^\x00]*$")]


class SecretResource(Struct, frozen=True, kw_only=True):
    """A secret; its value is never told. `key_id` names the key that it is encrypted with."""

    name: str
    key_id: str
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, secret: Secret) -> SecretResource:
        return cls(
            name=secret.name,
            key_id=secret.key_id,
            created_at=instant(secret.created_at),
            updated_at=instant(secret.updated_at),
        )


class SecretPage(Page[SecretResource], frozen=True, kw_only=True):
    """A page of secrets by name; `next_cursor` is null on the last one."""


class SigningSecretRotationBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to replace the signing secret: the old one stays live for the overlap."""

    EXAMPLES: ClassVar[Examples] = (
        Example("hour", "Both are good for an hour", {"overlap": "PT1H"}),
    )

    overlap: Duration = written(DEFAULT_OVERLAP)


class SigningSecretResource(Struct, frozen=True, kw_only=True):
    """A secret that deliveries are signed with. `secret`, its text, is told once: when it is made.

    `key_id` names the key that it is encrypted with; null means that it is stored in clear.
    """

    id: UUID
    created_at: Instant
    expires_at: Instant | None
    key_id: str | None
    secret: str | UnsetType = UNSET

    @classmethod
    def of(cls, secret: SigningSecret, text: str | UnsetType = UNSET) -> SigningSecretResource:
        return cls(
            id=secret.id,
            created_at=instant(secret.created_at),
            expires_at=instant_or_none(secret.expires_at),
            key_id=secret.key_id,
            secret=text,
        )


class SigningSecretPage(Page[SigningSecretResource], frozen=True, kw_only=True):
    """The live signing secrets, newest first: two at most, so there is one page."""
