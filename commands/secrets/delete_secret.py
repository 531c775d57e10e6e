"""Delete a secret."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import TSQUERY

from commands.unit_of_work import Command, UnitOfWork, unit_of_work
from domain.errors import Conflict, NotFound
from domain.filters.search_index import secret_query
from domain.ids import new_id
from storage.postgres.pools import Driver, search_by_terms
from storage.postgres.statements import Statement, given
from storage.schema.service_tables import secrets
from storage.schema.tables import listings

NAMED_AT_MOST = 5


_DELETE = Statement(
    delete(secrets).where(*given(secrets.c.service_id, secrets.c.name)).returning(secrets.c.name)
)
# First by the term alone, lest the planner goes through all that the service has.
_USING = (
    select(listings.c.service_id, listings.c.id)
    .where(listings.c.terms.bool_op("@@")(bindparam("query", type_=TSQUERY)))
    .cte()
    .prefix_with("MATERIALIZED")
)
_USERS = Statement(select(_USING.c.id).where(*given(_USING.c.service_id)).limit(NAMED_AT_MOST + 1))


class DeleteSecret(Command, frozen=True, kw_only=True):
    name: str


@unit_of_work
async def delete_secret(command: DeleteSecret, uow: UnitOfWork) -> None:
    """Delete the secret.

    Raises:
        Conflict: When the target of a job refers to it.
        NotFound: When the service has no such secret.
    """
    driver, service_id = await uow.begin(), command.service_id
    uow.changes_only()
    # The delete waits for commands that hold the secret in order to refer to it.
    if not await _DELETE.fetch(driver, service_id=service_id, name=command.name):
        raise NotFound(f"There is no secret {command.name!r}.")
    await _refuse_if_used(driver, command)
    await uow.audit("secret.deleted", new_id(), name=command.name)


async def _refuse_if_used(driver: Driver, command: DeleteSecret) -> None:
    query = secret_query(command.service_id, command.name)
    async with search_by_terms(driver):
        found = await _USERS.fetch(driver, service_id=command.service_id, query=query)
    users = [str(row["id"]) for row in found]
    if users:
        more = " and others" if len(users) > NAMED_AT_MOST else ""
        raise Conflict(
            f"The secret is used by the jobs {', '.join(users[:NAMED_AT_MOST])}{more}; give them "
            "another target first."
        )
