"""Filters of lists as parameters of a URL's query: each field of a filter is one."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime
from functools import update_wrapper
from inspect import Parameter, isclass
from typing import Annotated, Any, get_args, get_origin

from litestar.constants import RESERVED_KWARGS
from litestar.params import QueryParameter

from app.requests.instants import utc_parameter
from app.responses.problems import BadParameter
from domain.errors import Invalid
from domain.filters.filters import Field, Filter

Handler = Callable[..., Awaitable[Any]]


def filtered(*, without: Collection[str] = ()) -> Callable[[Handler], Any]:
    """Have a route's parameter that is a filter read from the query.

    To Litestar the route has a parameter for each of the filter's fields in its place, so that it
    checks and describes them as it does others.

    Args:
        without: Fields that this route does not ask for.
    """

    def decorate(handler: Handler) -> Any:
        signature = inspect.signature(handler, eval_str=True)
        (chosen,) = (one for one in signature.parameters.values() if _is_filter(one.annotation))
        fields = [one for one in chosen.annotation.fields() if one.name not in without]

        async def route(*arguments: Any, **given: Any) -> Any:
            values = {field.name: _read(field, given.pop(_parameter(field))) for field in fields}
            given[chosen.name] = chosen.annotation(
                **{name: value for name, value in values.items() if value is not None}
            )
            return await handler(*arguments, **given)

        update_wrapper(route, handler)
        del route.__wrapped__  # type: ignore[attr-defined]  # the signature below is to be seen
        parameters = [*_in_place_of(chosen, signature.parameters.values(), fields)]
        route.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        route.__annotations__ = {one.name: one.annotation for one in parameters}
        route.__annotations__["return"] = signature.return_annotation
        return route

    return decorate


def _is_filter(annotation: Any) -> bool:
    return isclass(annotation) and issubclass(annotation, Filter)


def _in_place_of(
    chosen: Parameter, parameters: Collection[Parameter], fields: list[Field]
) -> Iterator[Parameter]:
    for parameter in parameters:
        if parameter is not chosen:
            yield parameter
            continue
        for field in fields:
            kind = _asked_kind(field)
            yield Parameter(_parameter(field), parameter.kind, default=None, annotation=kind)


def _parameter(field: Field) -> str:
    """What the parameter is called here; app.responses.problems says how clients are told."""
    return f"{field.asked_as}_" if field.asked_as in RESERVED_KWARGS else field.asked_as


def _asked_kind(field: Field) -> Any:
    asked = field.asked
    kind = asked.kind or field.kind
    if get_origin(kind) is tuple:
        kind = list[get_args(kind)[0]]  # type: ignore[misc]
    return Annotated[
        kind | None,
        QueryParameter(
            name=field.asked_as,
            description=asked.told,
            max_items=asked.most,
            min_length=None if asked.longest is None else 1,
            max_length=asked.longest,
        ),
    ]


def _read(field: Field, value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_parameter(value, field.asked_as)
    if value is None or field.asked.read is None:
        return value
    try:
        return field.asked.read(value)
    except Invalid as error:
        raise BadParameter(field.asked_as, str(error)) from error
