"""`/services`, for operators of the installation and for members."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import FromPath, JSONBody

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_id
from app.requests.request import ServiceRequest
from app.responses.problems import problems
from app.schemas.services import ServiceBody, ServiceChangesBody, ServicePage, ServiceResource
from commands.services.create_service import CreateService, create_service
from commands.services.update_service import UpdateService, update_service
from queries.services.find_service import get_service
from queries.services.list_services import ListServices, list_services

_CURSORS = by_id("services")


class ServiceController(Controller):
    """Services: the client systems that Tocsin serves."""

    path = "/services"
    tags = ("Services",)

    @get(
        operation_id="listServices",
        needs=Access.OPERATOR,
        summary="List all services, newest first",
    )
    async def page(
        self, request: ServiceRequest, limit: Limit = 50, cursor: Cursor = None
    ) -> ServicePage:
        query = ListServices(caller=request.caller, limit=limit + 1, before=_CURSORS.after(cursor))
        services = await list_services(query, request.shards)
        return ServicePage(
            items=[ServiceResource.of(service) for service in services[:limit]],
            next_cursor=_CURSORS.behind_page(services, limit, lambda service: service.id),
        )

    @post(
        operation_id="createService",
        needs=Access.OPERATOR,
        summary="Make a service; its signing secret is told only now",
        responses=problems(409),
    )
    async def create(
        self, data: JSONBody[ServiceBody], request: ServiceRequest
    ) -> Response[ServiceResource]:
        command = CreateService(caller=request.caller, name=data.name, now=datetime.now(UTC))
        service, secret = await create_service(command, request.shards)
        return Response(
            ServiceResource.of(service, secret),
            status_code=201,
            headers={"Location": f"/services/{service.id}"},
        )

    @get(
        "/{service_id:uuid}",
        operation_id="getService",
        needs=Access.READ,
        summary="Read a service",
        responses=problems(404),
    )
    async def read(self, service_id: FromPath[UUID], request: ServiceRequest) -> ServiceResource:
        return ServiceResource.of(await get_service(service_id, datetime.now(UTC), request.shards))

    @patch(
        "/{service_id:uuid}",
        operation_id="updateService",
        needs=Access.OPERATOR,
        summary="Change a service's limits, by a merge patch: null is as for every service",
        responses=problems(404),
    )
    async def update(
        self,
        service_id: FromPath[UUID],
        data: JSONBody[ServiceChangesBody],
        request: ServiceRequest,
    ) -> ServiceResource:
        command = UpdateService(
            caller=request.caller,
            service_id=service_id,
            limits=data.limits_of,
            now=datetime.now(UTC),
        )
        return ServiceResource.of(await update_service(command, request.shards))
