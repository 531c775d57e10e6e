"""`/me`: who calls, and a person's own keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit
from app.requests.request import ServiceRequest
from app.responses.problems import problems
from app.routes.keys import make, new_key, page_of, replace
from app.schemas.keys import KeyBody, KeyPage, KeyResource, RotationBody
from app.schemas.members import MeResource
from commands.keys.revoke_key import RevokeKey, revoke_key
from queries.services.list_memberships import list_memberships


class MeController(Controller):
    """The caller."""

    path = "/me"
    tags = ("Keys",)

    @get(
        operation_id="getMe",
        needs=Access.KNOWN,
        summary="Who calls, and what that may do",
    )
    async def read(self, request: ServiceRequest) -> MeResource:
        subject = request.caller.subject
        memberships = await list_memberships(subject, request.shards) if subject else []
        return MeResource.of(request.caller, memberships)

    @get(
        "/keys",
        operation_id="listMyKeys",
        needs=Access.PERSON,
        summary="List the calling person's keys of the service, newest first",
    )
    async def keys(
        self, request: ServiceRequest, limit: Limit = 50, cursor: Cursor = None
    ) -> KeyPage:
        return await page_of(request, limit, cursor, _person(request))

    @post(
        "/keys",
        operation_id="createMyKey",
        needs=Access.PERSON,
        summary="Make a key of the calling person: it never does more than the person may",
        responses=problems(409),
    )
    async def create(
        self, data: JSONBody[KeyBody], request: ServiceRequest
    ) -> Response[KeyResource]:
        return new_key(*await make(request, data, _person(request)))

    @post(
        "/keys/{key_id:uuid}/rotate",
        operation_id="rotateMyKey",
        needs=Access.PERSON,
        summary="Replace one of the calling person's keys",
        responses=problems(404, 409),
    )
    async def rotate(
        self,
        key_id: FromPath[UUID],
        request: ServiceRequest,
        data: JSONBody[RotationBody | None] = None,
    ) -> Response[KeyResource]:
        made = await replace(request, key_id, data or RotationBody(), _person(request))
        return new_key(*made)

    @delete(
        "/keys/{key_id:uuid}",
        operation_id="revokeMyKey",
        needs=Access.PERSON,
        summary="Revoke one of the calling person's keys",
        responses=problems(404),
    )
    async def revoke(self, key_id: FromPath[UUID], request: ServiceRequest) -> None:
        command = RevokeKey(
            caller=request.caller, key_id=key_id, subject=_person(request), now=datetime.now(UTC)
        )
        await revoke_key(command, request.shards)


def _person(request: ServiceRequest) -> str:
    return cast("str", request.caller.subject)  # that is what Access.PERSON says
