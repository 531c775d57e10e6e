"""The guard of every route that is not public: may this principal do that?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from app.edge.authentication.credentials import SERVICE_HEADER, Credentials
from app.edge.authentication.principals import Authentication, Principal
from app.requests.access import Access
from app.responses.problems import BadRequest
from domain.access.caller import Caller
from domain.access.scopes import INSTALLATION, Scope
from domain.errors import Forbidden


async def authorize(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Let the principal pass, and make it the request's caller.

    Raises:
        BadRequest: When a service must be named first.
        Forbidden: When the principal may not do that.
        NotAuthorizedException: When there is none.
        NotFound: When the service in the path does not exist, or is not the principal's.
    """
    if connection.scope.get("method") == "OPTIONS":
        return  # Litestar's own answer, which tells the methods of an address
    needs: Access = handler.opt["needs"]
    state = connection.scope["state"]
    principal = await _of_path(connection, _present(state.get("principal")))
    caller = state["caller"] = Caller(
        service_id=principal.service_id,
        principal=principal.name,
        request_id=state["request_id"],
        scopes=principal.scopes,
        limits=principal.limits,
        operator=principal.operator,
        subject=principal.subject,
        key=principal.key,
        key_ends_at=principal.until if principal.key else None,
        address=_address(connection),
    )
    structlog.contextvars.bind_contextvars(service_id=str(caller.service_id))
    _check(caller, needs, in_path="service_id" in connection.path_params)


def _present(principal: Principal | Exception | None) -> Principal:
    if principal is None:
        raise NotAuthorizedException("Send your API key as `Authorization: Bearer <key>`.")
    if isinstance(principal, Exception):
        raise principal
    return principal


async def _of_path(
    connection: ASGIConnection[Any, Any, Any, Any], principal: Principal
) -> Principal:
    """The same principal in the service that the path names, if it names one."""
    service_id: UUID | None = connection.path_params.get("service_id")
    if service_id is None or service_id == principal.service_id:
        return principal
    authentication: Authentication = connection.app.state.authentication
    sent: Credentials = connection.scope["state"]["credentials"]
    there = sent._replace(service=str(service_id))
    return await authentication.principal(there, _address(connection), datetime.now(UTC))


def _address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return connection.client.host if connection.client else ""


def _check(caller: Caller, needs: Access, *, in_path: bool) -> None:
    if needs is Access.KNOWN:
        return
    if needs is Access.OPERATOR:
        if not caller.operator:
            raise Forbidden("Only an operator of the installation may do that.")
        return
    if caller.service_id == INSTALLATION and not in_path:
        raise BadRequest(400, f"Say which service is meant: {SERVICE_HEADER}: <its id or name>.")
    if needs is Access.PERSON:
        if caller.subject is None:
            raise Forbidden("Only people have keys of their own; yours is a service's.")
        if caller.key is not None and Scope.ADMIN not in caller.scopes:
            raise Forbidden("Manage your keys with a token, or with a key of the scope `admin`.")
        return
    if Scope(needs.value) not in caller.scopes:
        raise Forbidden(f"This takes the scope `{needs.value}`, which you do not have here.")
