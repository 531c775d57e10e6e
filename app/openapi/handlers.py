"""What the handlers say of themselves: no list of operations or of bodies is kept beside them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler


def handlers_of(app: Litestar) -> dict[str, HTTPRouteHandler]:
    """The handlers of every operation that the document shows, by `operation_id`."""
    return {
        str(handler.operation_id): handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and handler.operation_id is not None
    }


def shapes_of(handler: HTTPRouteHandler) -> Iterator[Any]:
    """The types that a handler takes and answers, with the enumerations of its query."""
    for name, field in handler.parsed_fn_signature.parameters.items():
        if name == "data":
            yield field.annotation
        yield from (kind for kind in (field.annotation, *field.args) if _is_enumeration(kind))
    answer = handler.parsed_return_field
    yield from answer.args if answer.is_subclass_of(Response) else (answer.annotation,)
    yield from (one.data_container for one in (handler.responses or {}).values())


def body_of(handler: HTTPRouteHandler) -> Any:
    """The type that a handler takes, whether it must be sent or not."""
    field = handler.parsed_data_field
    if field is None or not field.is_optional:
        return field and field.annotation
    return next(kind for kind in field.args if kind is not type(None))


def _is_enumeration(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)
