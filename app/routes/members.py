"""`/services/{service_id}/members`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, put
from litestar.params import FromPath, JSONBody, PathParameter

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_subject
from app.requests.request import ServiceRequest
from app.responses.answers import made, stored
from app.responses.problems import problems
from app.schemas.members import MemberBody, MemberPage, MemberResource
from commands.services.put_member import PutMember, put_member
from commands.services.remove_member import RemoveMember, remove_member
from domain.access.service import SUBJECT
from queries.services.list_members import ListMembers, list_members

Subject = Annotated[str, PathParameter(pattern=SUBJECT, description="`sub` of the person's token")]

_CURSORS = by_subject("members")


class MemberController(Controller):
    """People of a service, by the subject of their identity provider."""

    path = "/services/{service_id:uuid}/members"
    tags = ("Members",)

    @get(
        operation_id="listMembers",
        needs=Access.ADMIN,
        summary="List a service's members by subject",
        responses=problems(404),
    )
    async def page(
        self,
        service_id: FromPath[UUID],
        request: ServiceRequest,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> MemberPage:
        query = ListMembers(
            caller=request.caller, limit=limit + 1, after=_CURSORS.after(cursor) or ""
        )
        members = await list_members(query, request.shards)
        return MemberPage(
            items=[MemberResource.of(member) for member in members[:limit]],
            next_cursor=_CURSORS.behind_page(members, limit, lambda member: member.subject),
        )

    @put(
        "/{subject:str}",
        operation_id="putMember",
        needs=Access.ADMIN,
        summary="Make a person a member, or change the role",
        status_code=200,
        responses=problems(404) | made(MemberResource),
    )
    async def store(
        self,
        service_id: FromPath[UUID],
        subject: Subject,
        data: JSONBody[MemberBody],
        request: ServiceRequest,
    ) -> Response[MemberResource]:
        command = PutMember(
            caller=request.caller, subject=subject, role=data.role, now=datetime.now(UTC)
        )
        member = await put_member(command, request.shards)
        is_new = member.created_at == command.now
        return stored(MemberResource.of(member), is_new=is_new)

    @delete(
        "/{subject:str}",
        operation_id="removeMember",
        needs=Access.ADMIN,
        summary="End a membership, and the person's own keys of the service",
        responses=problems(404),
    )
    async def remove(
        self, service_id: FromPath[UUID], subject: Subject, request: ServiceRequest
    ) -> None:
        command = RemoveMember(caller=request.caller, subject=subject, now=datetime.now(UTC))
        await remove_member(command, request.shards)
