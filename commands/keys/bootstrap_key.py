"""Make a key from the command line: of a service by name, made if it is new, or of an operator."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.access.caller import Caller
from domain.access.scopes import ALL_SCOPES, INSTALLATION
from domain.ids import new_id
from domain.targets.signing import new_signing_secret
from storage.postgres.statements import Statement, given, values_of
from storage.schema.service_tables import services
from storage.services.keys import store_key
from storage.services.signing_secrets import first_of_service
from storage.shards import Shards

_ENSURE = Statement(
    insert(services)
    .values(values_of("id", "name", "signing_secrets", "created_at"))
    .on_conflict_do_nothing(index_elements=[services.c.name])
)
_FIND = Statement(select(services.c.id).where(*given(services.c.name)))


class BootstrapKey(Struct, frozen=True, kw_only=True):
    """Attributes:
    service_name: None for an operator's key.
    """

    service_name: str | None
    now: datetime


class _MakeKey(Command, frozen=True, kw_only=True):
    pass


async def bootstrap_key(command: BootstrapKey, shards: Shards) -> str:
    """Store a key with all scopes and return its text, which cannot be shown again."""
    service_id = INSTALLATION
    if command.service_name is not None:
        service_id = await _ensure_service(command.service_name, command.now, shards)
    operator = Caller(service_id=service_id, principal="operator", request_id="")
    return await _make_key(_MakeKey(caller=operator, now=command.now), shards)


@unit_of_work
async def _make_key(command: _MakeKey, uow: UnitOfWork) -> str:
    driver = await uow.begin()
    uow.changes_only()
    key, text = await store_key(
        driver, command.service_id, command.now, name="from the command line", scopes=ALL_SCOPES
    )
    await uow.audit("key.created", key.id)
    return text


async def _ensure_service(name: str, now: datetime, shards: Shards) -> UUID:
    new = new_id()
    shard = shards.all()[0]
    secret = first_of_service(new_signing_secret(), new, now, shard.keys)
    async with shard.database.transaction() as driver:
        await _ENSURE.execute(driver, id=new, name=name, signing_secrets=[secret], created_at=now)
        service_id: UUID = await _FIND.fetchval(driver, name=name)
    return service_id
