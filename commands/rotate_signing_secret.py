"""Give a service a new signing secret; for a while deliveries are signed with the old one too."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import RowMapping, select, update

from domain.caller import Caller
from domain.errors import Conflict, Invalid
from domain.ids import new_id
from domain.signing import LONGEST_OVERLAP, MOST_LIVE, SigningSecret, live, new_signing_secret
from storage.audit import record
from storage.key_ring import KeyRing
from storage.service_tables import services
from storage.shards import Shards
from storage.signing_secrets import (
    StoredSecret,
    ending,
    new_stored,
    sealed_anew,
    stored_of,
    written,
)


class RotateSigningSecret(Struct, frozen=True, kw_only=True):
    """Attributes:
    overlap: How long the old secret stays live; with none, all but the new one end at once.
    """

    caller: Caller
    overlap: timedelta
    now: datetime


async def rotate_signing_secret(
    command: RotateSigningSecret, shards: Shards
) -> tuple[SigningSecret, str]:
    """Store a new secret.

    Returns:
        The secret and its text, which cannot be shown again.

    Raises:
        Conflict: When two are live already.
        Invalid: When the overlap is out of bounds.
        Undecipherable: When this installation has no keys to encrypt it with.
    """
    if not timedelta(0) <= command.overlap <= LONGEST_OVERLAP:
        raise Invalid(f"Choose an overlap of 0 to {LONGEST_OVERLAP.days} days.", "/overlap")
    service_id = command.caller.service_id
    text = new_signing_secret()
    secret = SigningSecret(id=new_id(), created_at=command.now)
    made = new_stored(text, service_id, secret, shards.ring)
    async with shards.of(service_id).writing(service_id, ()) as connection:
        found = await connection.execute(
            select(services).where(services.c.id == service_id).with_for_update(key_share=True)
        )
        kept = _kept(command, found.mappings().one(), shards.ring)
        await connection.execute(
            update(services)
            .where(services.c.id == service_id)
            .values(signing_secrets=[written(one) for one in (made, *kept)])
        )
        await record(
            connection,
            command.caller,
            "signing_secret.rotated",
            secret.id,
            command.now,
            until=command.now + command.overlap,
        )
    return made, text


def _kept(command: RotateSigningSecret, row: RowMapping, ring: KeyRing) -> list[StoredSecret]:
    """The old secret with its end, if there is to be one."""
    if not command.overlap:
        return []
    stored = stored_of(row["signing_secrets"], row["id"], row["created_at"])
    old = live(stored, command.now)
    if len(old) >= MOST_LIVE:
        raise Conflict(
            f"Two secrets are live until {old[-1].expires_at}; wait, or say overlap 0 to end both."
        )
    until = command.now + command.overlap
    return [sealed_anew(ending(one, until), row["id"], ring) for one in old]
