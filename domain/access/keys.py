"""API keys: `tocsin_<service id>_<secret>`."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID

from msgspec import Struct

from domain.access.caller import Caller
from domain.access.scopes import Scope
from domain.errors import Forbidden, Invalid

LONGEST_OVERLAP = timedelta(days=30)
_KEY = re.compile(r"tocsin_(?P<service>[0-9a-f]{32})_[A-Za-z0-9_-]{43}")


class Key(Struct, frozen=True, kw_only=True):
    """An API key, as it is shown after its making.

    Attributes:
        subject: The person whose key it is; its scopes count as far as that person's role goes.
        expires_at: From when on it is refused.
        made_by: The key of the same service that made it: with that one it is revoked.
        last_used_at: To the minute.
    """

    id: UUID
    service_id: UUID
    name: str
    scopes: frozenset[Scope]
    subject: str | None
    made_by: UUID | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def new_secret() -> str:
    """256 random bits."""
    return token_urlsafe(32)


def key_text(service_id: UUID, secret: str) -> str:
    """A key as its holder sees it. The prefix is for secret scanners to recognise."""
    return f"tocsin_{service_id.hex}_{secret}"


def key_hash(text: str) -> bytes:
    """All that is stored of a key's text; it is too random to be guessed from that."""
    return sha256(text.encode()).digest()


def service_of(text: str) -> UUID | None:
    """The service that a key names, which tells its shard; None when it is no key of ours."""
    match = _KEY.fullmatch(text)
    return UUID(match["service"]) if match else None


def check_grant(scopes: Collection[Scope], held: Collection[Scope]) -> None:
    """Refuse to give a key or a person what the giver has not.

    Raises:
        Forbidden: With the scopes that are missing.
    """
    if missing := set(scopes) - set(held):
        raise Forbidden(f"You cannot give what you have not: {', '.join(sorted(missing))}.")


def check_end(expires_at: datetime | None, now: datetime) -> None:
    """Refuse a key that would have ended already.

    Raises:
        Invalid: With a pointer to `expires_at`.
    """
    if expires_at is not None and expires_at <= now:
        raise Invalid("This instant has passed; give one to come.", "/expires_at")


def end_of_made(expires_at: datetime | None, caller: Caller) -> datetime | None:
    """When a key ends that the caller makes: no later than the key that the caller is.

    Args:
        expires_at: What was asked for; None for as long as may be.

    Raises:
        Forbidden: When a later end was asked for.
    """
    latest = caller.key_ends_at
    if latest is None or expires_at is None:
        return latest or expires_at
    if expires_at > latest:
        raise Forbidden(
            f"Your key ends at {latest.isoformat()}, and with it what it makes; give no later end."
        )
    return expires_at


def check_lasting(caller: Caller) -> None:
    """Refuse what has no end of its own to a key that ends.

    Raises:
        Forbidden: When the caller is such a key.
    """
    if caller.key_ends_at is not None:
        raise Forbidden(
            "A key that ends cannot give what lasts; use a token, or a key without end."
        )
