"""Queries of URLs: nothing in them passes in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.responses.problems import ProblemError, WrongValues

MOST_ERRORS = 20


class Known(NamedTuple):
    """Attributes:
    repeatable: Whether several make sense.
    text: Whether `null` is a text like others.
    """

    repeatable: bool
    text: bool


async def check_query(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse parameters that the route does not have, or has once, or that say `null`.

    Raises:
        WrongValues: With all of them.
    """
    query = connection.scope["query_string"]
    if not query or connection.scope.get("method") == "OPTIONS":
        return
    # The scope has the route's own handler, a guard gets a copy.
    known = _known(connection.app, connection.scope["route_handler"])
    if errors := list(_errors(query.decode("latin-1"), known)):
        raise WrongValues(errors[:MOST_ERRORS])


def _errors(query: str, known: dict[str, Known]) -> Iterator[ProblemError]:
    seen: set[str] = set()
    for part in filter(None, query.split("&")):
        written, _, value = part.partition("=")
        name = unquote_plus(written)
        parameter = known.get(name)
        if parameter is None:
            if name not in seen:
                yield _wrong(name, _unknown(name, known))
        elif name in seen and not parameter.repeatable:
            yield _wrong(name, "Give it once.")
        elif value.lower() == "null" and not parameter.text:
            yield _wrong(name, "There is no null in a query; leave the parameter out.")
        seen.add(name)


def _wrong(name: str, detail: str) -> ProblemError:
    return ProblemError(detail=detail, parameter=name[:64])


def _unknown(name: str, known: dict[str, Known]) -> str:
    there_are = ", ".join(sorted(known)) or "none"
    return f"There is no parameter {name[:64]!r} here; there are: {there_are}."


def _known(app: Litestar, handler: object) -> dict[str, Known]:
    tables: dict[object, dict[str, Known]] | None = app.state.get("queries")
    if tables is None:
        tables = app.state["queries"] = dict(_tables(app))
    return tables.get(handler, {})


def _tables(app: Litestar) -> Iterator[tuple[HTTPRouteHandler, dict[str, Known]]]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler, model in route.route_handler_map.values():
            fields = handler.parsed_fn_signature.parameters
            yield (
                handler,
                {
                    one.field_alias: Known(
                        one.is_sequence,
                        text=any(kind is str for kind in _kinds(fields[one.field_name])),
                    )
                    for one in model.expected_query_params
                },
            )


def _kinds(field: Any) -> Iterator[Any]:
    """The types that a parameter may have, also within a list."""
    if not field.inner_types:
        yield field.annotation
    for inner in field.inner_types:
        yield from _kinds(inner)
