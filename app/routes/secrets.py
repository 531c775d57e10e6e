"""`/services/{service_id}/secrets`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath, JSONBody, PathParameter

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_name
from app.requests.request import ServiceRequest
from app.responses.answers import made, stored
from app.responses.problems import problems
from app.schemas.secrets import SECRET_NAME, SecretBody, SecretPage, SecretResource
from commands.secrets.delete_secret import DeleteSecret, delete_secret
from commands.secrets.put_secret import PutSecret, put_secret
from queries.secrets.list_secrets import ListSecrets, list_secrets

NamePath = Annotated[str, PathParameter(pattern=SECRET_NAME)]

_CURSORS = by_name("secrets")


class SecretController(Controller):
    """A service's secrets, which its targets refer to as `${secret.NAME}`."""

    path = "/services/{service_id:uuid}/secrets"
    tags = ("Secrets",)

    @get(
        operation_id="listSecrets",
        needs=Access.ADMIN,
        summary="List secrets by name; no value is ever told",
        responses=problems(404),
    )
    async def page(
        self,
        service_id: FromPath[UUID],
        request: ServiceRequest,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> SecretPage:
        query = ListSecrets(
            caller=request.caller, limit=limit + 1, after=_CURSORS.after(cursor) or ""
        )
        secrets = await list_secrets(query, request.shards)
        return SecretPage(
            items=[SecretResource.of(secret) for secret in secrets[:limit]],
            next_cursor=_CURSORS.behind_page(secrets, limit, lambda secret: secret.name),
        )

    @put(
        "/{name:str}",
        operation_id="putSecret",
        needs=Access.ADMIN,
        summary="Store a secret, or give it another value",
        status_code=200,
        responses=problems(404) | made(SecretResource),
    )
    async def store(
        self,
        service_id: FromPath[UUID],
        name: NamePath,
        data: JSONBody[SecretBody],
        request: ServiceRequest,
    ) -> Response[SecretResource]:
        command = PutSecret(
            caller=request.caller, name=name, value=data.value, now=datetime.now(UTC)
        )
        secret = await put_secret(command, request.shards)
        is_new = secret.created_at == command.now
        return stored(SecretResource.of(secret), is_new=is_new)

    @delete(
        "/{name:str}",
        operation_id="deleteSecret",
        needs=Access.ADMIN,
        summary="Delete a secret that no job uses",
        responses=problems(404, 409),
    )
    async def remove(
        self, service_id: FromPath[UUID], name: NamePath, request: ServiceRequest
    ) -> None:
        command = DeleteSecret(caller=request.caller, name=name, now=datetime.now(UTC))
        await delete_secret(command, request.shards)
