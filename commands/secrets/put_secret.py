"""Store a secret, or give it another value."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.ids import new_id
from domain.targets.secrets import Secret, check_value
from storage.postgres.statements import Statement, values_of
from storage.schema.service_tables import secrets
from storage.services.quotas import refuse_one_too_many
from storage.services.secrets import associated_data_of

_NEW = insert(secrets).values(
    **values_of("service_id", "name", "key_id", "content"),
    created_at=bindparam("now"),
    updated_at=bindparam("now"),
)
_PUT = Statement(
    _NEW.on_conflict_do_update(
        index_elements=[secrets.c.service_id, secrets.c.name],
        set_={name: _NEW.excluded[name] for name in ("key_id", "content", "updated_at")},
    ).returning(secrets.c.created_at)
)


class PutSecret(Command, frozen=True, kw_only=True):
    name: str
    value: str


@unit_of_work
async def put_secret(command: PutSecret, uow: UnitOfWork) -> Secret:
    """Encrypt and store the value; workers use it within seconds.

    Raises:
        Invalid: When the value is too long.
        QuotaExceeded: When the service has as many secrets as it may.
        Undecipherable: When this installation has no keys to encrypt it with.
    """
    check_value(command.value)
    service_id, now = command.service_id, command.now
    sealed = uow.shard.keys.seal(command.value, associated_data_of(service_id, command.name))
    driver = await uow.begin()
    uow.changes_only()
    created_at = await _PUT.fetchval(
        driver,
        service_id=service_id,
        name=command.name,
        key_id=sealed.key_id,
        content=sealed.content,
        now=now,
    )
    if created_at == now:
        await refuse_one_too_many(driver, secrets, service_id)
    await uow.audit("secret.put", new_id(), name=command.name)
    return Secret(name=command.name, key_id=sealed.key_id, created_at=created_at, updated_at=now)
