"""Who may come in, and as whom: before anything else looks at a request."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from app.access import Access
from app.auth import Authentication, Principal
from app.key_use import KeyUse
from app.problems import BadRequest
from domain import access
from domain.access import INSTALLATION
from domain.caller import Caller
from domain.errors import Forbidden

SERVICE_HEADER: Final = "Tocsin-Service"
_AUTHORIZATION, _SERVICE = b"authorization", SERVICE_HEADER.lower().encode()


class Admission:
    """Finds out who sends a request; the guard of its route decides whether that is enough.

    What it finds lies in the scope's state: a `principal`, or the error that tells why there is
    none.
    """

    def __init__(self, app: ASGIApp, authentication: Authentication, key_use: KeyUse) -> None:
        self._app = app
        self._authentication = authentication
        self._key_use = key_use

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            authorization, service = _credentials(scope)
            if authorization is not None:
                scope["state"]["principal"] = await self._principal(authorization, service)
        await self._app(scope, receive, send)

    async def _principal(self, authorization: str, service: str | None) -> Principal | Exception:
        now = datetime.now(UTC)
        try:
            principal = self._authentication.known(authorization, service, now)
            if principal is None:
                principal = await self._authentication.principal(authorization, service, now)
        except Exception as error:  # noqa: BLE001 - the route's guard raises it, if it has one
            return error
        if principal.key is not None:
            self._key_use.note(principal.key, now)
        return principal


def _credentials(scope: Scope) -> tuple[str | None, str | None]:
    authorization = service = None
    for name, value in scope["headers"]:
        if name == _AUTHORIZATION:
            authorization = value.decode("latin-1")
        elif name == _SERVICE:
            service = value.decode("latin-1")
    return authorization, service


async def authorize(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """The guard of every route that is not public: may this principal do that?

    Raises:
        BadRequest: When a service must be named first.
        Forbidden: When it may not.
        NotFound: When the service in the path does not exist, or is not the principal's.
    """
    needs: Access = handler.opt["needs"]
    state = connection.scope["state"]
    principal = await _of_path(connection, _present(state.get("principal")))
    caller = state["caller"] = Caller(
        service_id=principal.service_id,
        principal=principal.name,
        request_id=state["request_id"],
        scopes=principal.scopes,
        operator=principal.operator,
        subject=principal.subject,
        address=connection.client.host if connection.client else "",
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
    authorization = connection.headers["authorization"]
    return await authentication.principal(authorization, str(service_id), datetime.now(UTC))


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
        return
    if access.Scope(needs.value) not in caller.scopes:
        raise Forbidden(f"This takes the scope `{needs.value}`, which you do not have here.")
