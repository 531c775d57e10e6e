"""What a route asks of its caller; each says it as `needs`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

_OF_LITESTAR = ("/docs",)


class Access(StrEnum):
    """Who may call a route. Four are scopes of a key or a role."""

    PUBLIC = "public"  # anybody
    KNOWN = "known"  # any principal
    PERSON = "person"  # a member of the service, by token or by an own key with `admin`
    READ = "read"
    OPERATE = "operate"
    WRITE = "write"
    ADMIN = "admin"
    OPERATOR = "operator"  # of the installation


def rules(app: Litestar) -> Iterator[tuple[str, str, Access]]:
    """Method, path and rule of every route of ours.

    Raises:
        LookupError: When a route has no rule.
    """
    for route in app.routes:
        if route.path.startswith(_OF_LITESTAR):
            continue
        for handler in getattr(route, "route_handlers", ()):
            if not isinstance(handler, HTTPRouteHandler):
                raise LookupError(f"{route.path} has no rule of access, and cannot have one")
            if handler.http_methods == {"OPTIONS"}:
                continue
            if "needs" not in handler.opt:
                raise LookupError(f"{handler} at {route.path} does not say what it `needs`")
            for method in sorted(handler.http_methods):
                yield method, route.path_format, handler.opt["needs"]
