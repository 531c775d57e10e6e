"""Secrets that deliveries are signed with (https://www.standardwebhooks.com)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from secrets import token_bytes
from typing import TypeVar
from uuid import UUID

from msgspec import Struct

MOST_LIVE = 2
"""Live at once, while one takes the other's place."""
DEFAULT_OVERLAP = timedelta(days=1)
LONGEST_OVERLAP = timedelta(days=30)


class SigningSecret(Struct, frozen=True, kw_only=True):
    """What is told of a signing secret.

    Attributes:
        expires_at: From then on nothing is signed with it.
        key_id: The encryption key that it is encrypted with; None where it is stored in clear.
    """

    id: UUID
    created_at: datetime
    expires_at: datetime | None = None
    key_id: str | None = None


AnySecret = TypeVar("AnySecret", bound=SigningSecret)


def live(secrets: Iterable[AnySecret], now: datetime) -> list[AnySecret]:
    """Those that deliveries are signed with, in the order given."""
    return [one for one in secrets if one.expires_at is None or one.expires_at > now]


def new_signing_secret() -> str:
    """A secret of 32 bytes, as targets are given it."""
    return "whsec_" + b64encode(token_bytes(32)).decode()
