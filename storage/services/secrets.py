"""Named secrets as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from domain.errors import Invalid, within
from domain.targets import Target, secret_names
from domain.targets.secrets import Secret
from storage.crypto.encryption_keys import AssociatedData, Sealed
from storage.postgres.pools import Driver
from storage.sql import statement

# Locked, so that none is deleted before what names it is stored; a new value may come meanwhile.
_KNOWN = """
SELECT name FROM secrets WHERE service_id = $1 AND name = ANY ($2) ORDER BY name FOR KEY SHARE
"""
_SEALED = statement("secrets/sealed")


def secret_of(row: asyncpg.Record) -> Secret:
    """What is told of the secret that a row holds."""
    return Secret(
        name=row["name"],
        key_id=row["key_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def associated_data_of(service_id: UUID, name: str) -> AssociatedData:
    """Where a secret's value belongs."""
    return AssociatedData("secret", service_id, name)


async def sealed_values(
    driver: Driver, keys: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Sealed | None]:
    """The encrypted values of secrets, by service and name; None where there is none."""
    rows = await _SEALED.fetch(
        driver,
        service_ids=[service_id for service_id, _ in keys],
        names=[name for _, name in keys],
    )
    found = {
        (row["service_id"], row["name"]): Sealed(row["key_id"], row["content"]) for row in rows
    }
    return {key: found.get(key) for key in keys}


async def hold_secrets(driver: Driver, service_id: UUID, target: Target) -> None:
    """Keep the secrets that a target refers to until the transaction ends.

    Raises:
        Invalid: With a pointer to a reference to a secret that the service does not have.
    """
    with within("/target"):
        names = secret_names(target)
        if not names:
            return
        rows = await driver.fetch(_KNOWN, service_id, list(names))
        _refuse_unknown(names, {row["name"] for row in rows})


def _refuse_unknown(names: Mapping[str, str], known: set[str]) -> None:
    for name, pointer in names.items():
        if name not in known:
            raise Invalid(f"There is no secret {name!r}; store it first.", pointer)
