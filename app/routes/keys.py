"""`/services/{service_id}/keys`."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_id
from app.requests.request import ServiceRequest
from app.responses.problems import problems
from app.schemas.keys import KeyBody, KeyPage, KeyResource, RotationBody
from commands.keys.create_key import CreateKey, create_key
from commands.keys.revoke_key import RevokeKey, revoke_key
from commands.keys.rotate_key import RotateKey, rotate_key
from domain.access.keys import Key
from domain.durations import duration_of, instant_of
from queries.keys.list_keys import ListKeys, list_keys

_CURSORS = by_id("keys")


class ServiceKeyController(Controller):
    """A service's API keys."""

    path = "/services/{service_id:uuid}/keys"
    tags = ("Keys",)

    @get(
        operation_id="listKeys",
        needs=Access.ADMIN,
        summary="List a service's keys, newest first, those that are good no more among them",
        responses=problems(404),
    )
    async def page(
        self,
        service_id: FromPath[UUID],
        request: ServiceRequest,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> KeyPage:
        return await page_of(request, limit, cursor)

    @post(
        operation_id="createKey",
        needs=Access.ADMIN,
        summary="Make a key; its text is told only now",
        responses=problems(404, 409),
    )
    async def create(
        self, service_id: FromPath[UUID], data: JSONBody[KeyBody], request: ServiceRequest
    ) -> Response[KeyResource]:
        return new_key(*await make(request, data))

    @post(
        "/{key_id:uuid}/rotate",
        operation_id="rotateKey",
        needs=Access.ADMIN,
        summary="Replace a key: the new one's text is told only now, the old one ends soon",
        responses=problems(404, 409),
    )
    async def rotate(
        self,
        service_id: FromPath[UUID],
        key_id: FromPath[UUID],
        request: ServiceRequest,
        data: JSONBody[RotationBody | None] = None,
    ) -> Response[KeyResource]:
        return new_key(*await replace(request, key_id, data or RotationBody()))

    @delete(
        "/{key_id:uuid}",
        operation_id="revokeKey",
        needs=Access.ADMIN,
        summary="Revoke a key; every process refuses it within a second",
        responses=problems(404),
    )
    async def revoke(
        self, service_id: FromPath[UUID], key_id: FromPath[UUID], request: ServiceRequest
    ) -> None:
        command = RevokeKey(caller=request.caller, key_id=key_id, now=datetime.now(UTC))
        await revoke_key(command, request.shards)


async def page_of(
    request: ServiceRequest, limit: int, cursor: str | None, subject: str | None = None
) -> KeyPage:
    """A page of keys, of one person if a subject is given."""
    query = ListKeys(
        caller=request.caller, subject=subject, limit=limit + 1, before=_CURSORS.after(cursor)
    )
    keys = await list_keys(query, request.shards)
    return KeyPage(
        items=[KeyResource.of(key) for key in keys[:limit]],
        next_cursor=_CURSORS.behind_page(keys, limit, lambda key: key.id),
    )


async def make(
    request: ServiceRequest, body: KeyBody, subject: str | None = None
) -> tuple[Key, str]:
    """A new key as a body describes it."""
    command = CreateKey(
        caller=request.caller,
        name=body.name,
        scopes=frozenset(body.scopes),
        expires_at=body.expires_at and instant_of(body.expires_at, "/expires_at"),
        subject=subject,
        now=datetime.now(UTC),
    )
    return await create_key(command, request.shards)


async def replace(
    request: ServiceRequest, key_id: UUID, body: RotationBody, subject: str | None = None
) -> tuple[Key, str]:
    """A new key in place of an old one."""
    command = RotateKey(
        caller=request.caller,
        key_id=key_id,
        overlap=duration_of(body.overlap, "/overlap"),
        expires_at=(
            instant_of(body.expires_at, "/expires_at")
            if isinstance(body.expires_at, datetime)
            else body.expires_at
        ),
        subject=subject,
        now=datetime.now(UTC),
    )
    return await rotate_key(command, request.shards)


def new_key(key: Key, text: str) -> Response[KeyResource]:
    """The one answer that tells a key's text."""
    return Response(KeyResource.of(key, text), status_code=201)
