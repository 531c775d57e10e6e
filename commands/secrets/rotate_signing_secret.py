"""Give a service a new signing secret; for a while deliveries are signed with the old one too."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
from sqlalchemy import bindparam, update

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Conflict, Invalid, NotFound
from domain.ids import new_id
from domain.targets.signing import (
    LONGEST_OVERLAP,
    MOST_LIVE,
    SigningSecret,
    live,
    new_signing_secret,
)
from storage.crypto.encryption_keys import EncryptionKeys
from storage.postgres.statements import Statement, given
from storage.schema.service_tables import services
from storage.services.services import lock_service
from storage.services.signing_secrets import (
    StoredSecret,
    ending,
    new_stored,
    sealed_anew,
    stored_of,
    written,
)

_REPLACE = Statement(
    update(services)
    .where(*given(services.c.id))
    .values(signing_secrets=bindparam("signing_secrets"))
)


class RotateSigningSecret(Command, frozen=True, kw_only=True):
    """Attributes:
    overlap: How long the old secret stays live; with none, all but the new one end at once.
    """

    overlap: timedelta


@unit_of_work
async def rotate_signing_secret(
    command: RotateSigningSecret, uow: UnitOfWork
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
    service_id, keys = command.service_id, uow.shard.keys
    text = new_signing_secret()
    secret = SigningSecret(id=new_id(), created_at=command.now)
    made = new_stored(text, service_id, secret, keys)
    driver = await uow.begin()
    uow.changes_only()
    row = await lock_service(driver, service_id)
    if row is None:
        raise NotFound(f"There is no service {str(service_id)!r}.")
    secrets = [written(one) for one in (made, *_kept(command, row, keys))]
    await _REPLACE.execute(driver, id=service_id, signing_secrets=secrets)
    await uow.audit("signing_secret.rotated", secret.id, until=command.now + command.overlap)
    return made, text


def _kept(
    command: RotateSigningSecret, row: asyncpg.Record, keys: EncryptionKeys
) -> list[StoredSecret]:
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
    return [sealed_anew(ending(one, until), row["id"], keys) for one in old]
