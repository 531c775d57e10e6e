"""What a request says of who sends it: the one place that picks this out of its headers."""

from __future__ import annotations

from typing import NamedTuple

from litestar.types import Scope

from app.responses.problems import BadRequest

SERVICE_HEADER = "Tocsin-Service"
_AUTHORIZATION, _SERVICE = b"authorization", SERVICE_HEADER.lower().encode()


class Credentials(NamedTuple):
    """Attributes:
    authorization: The header's text.
    service: Id or name of the service that the request says it acts in.
    """

    authorization: str
    service: str | None


def credentials_of(scope: Scope) -> Credentials | None:
    """What a request sends, or None if it sends no `Authorization`.

    Raises:
        BadRequest: 400 when it sends either header twice: a proxy, or another part of Tocsin, might
            believe the other one.
    """
    authorization = service = None
    for name, value in scope["headers"]:
        if name == _AUTHORIZATION:
            if authorization is not None:
                raise BadRequest(400, "Send one Authorization header, not several.")
            authorization = value.decode("latin-1")
        elif name == _SERVICE:
            if service is not None:
                raise BadRequest(400, f"Send one {SERVICE_HEADER} header, not several.")
            service = value.decode("latin-1")
    return None if authorization is None else Credentials(authorization, service)
