"""Delete a secret."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import TSQUERY

from domain.caller import Caller
from domain.errors import Conflict, NotFound
from domain.ids import new_id
from domain.terms import secret_query
from storage.audit import record
from storage.service_tables import secrets
from storage.shards import Shards
from storage.tables import listings
from storage.transactions import WriteConnection

NAMED_AT_MOST = 5


class DeleteSecret(Struct, frozen=True, kw_only=True):
    caller: Caller
    name: str
    now: datetime


async def delete_secret(command: DeleteSecret, shards: Shards) -> None:
    """Delete the secret.

    Raises:
        Conflict: When the target of a job refers to it.
        NotFound: When the service has no such secret.
    """
    service_id = command.caller.service_id
    async with shards.of(service_id).writing(service_id, ()) as connection:
        # The delete waits for commands that hold the secret in order to refer to it.
        gone = await connection.execute(
            delete(secrets).where(
                secrets.c.service_id == service_id, secrets.c.name == command.name
            )
        )
        if not gone.rowcount:
            raise NotFound(f"There is no secret {command.name!r}.")
        await _refuse_if_used(connection, command)
        await record(
            connection, command.caller, "secret.deleted", new_id(), command.now, name=command.name
        )


async def _refuse_if_used(connection: WriteConnection, command: DeleteSecret) -> None:
    service_id = command.caller.service_id
    query = literal(secret_query(service_id, command.name), TSQUERY)
    # First by the term alone, lest the planner goes through all that the service has.
    using = (
        select(listings.c.service_id, listings.c.id)
        .where(listings.c.terms.bool_op("@@")(query))
        .cte()
        .prefix_with("MATERIALIZED")
    )
    found = await connection.scalars(
        select(using.c.id).where(using.c.service_id == service_id).limit(NAMED_AT_MOST + 1)
    )
    users = [str(job_id) for job_id in found]
    if users:
        more = " and others" if len(users) > NAMED_AT_MOST else ""
        raise Conflict(
            f"The secret is used by the jobs {', '.join(users[:NAMED_AT_MOST])}{more}; give them "
            "another target first."
        )
