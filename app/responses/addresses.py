"""What is wrong with an address that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from litestar import Litestar

NOWHERE = "There is no such address; see /docs for those there are."
_EXAMPLE = "01937b5c-8a00-7000-8000-000000000000"
_PARAMETER = re.compile(r"\{(?P<name>\w+):(?P<kind>\w+)\}")
_OF_SERVICES = (
    " A service's name stands in the header Tocsin-Service; GET /me tells the id of the caller's."
)


class Address(NamedTuple):
    """What addresses with ids look like, whatever stands where an id is to be."""

    pattern: re.Pattern[str]
    ids: tuple[str, ...]


def what_is_wrong(path: str, app: Litestar) -> str:
    """A sentence for whoever asked for it."""
    addresses: list[Address] | None = app.state.get("addresses")
    if addresses is None:
        addresses = app.state["addresses"] = list(_with_ids(app))
    for address in addresses:
        if match := address.pattern.fullmatch(path.rstrip("/")):
            for name in address.ids:
                if not _is_id(match[name]):
                    return _no_id(match[name], name)
    return NOWHERE


def _with_ids(app: Litestar) -> Iterator[Address]:
    for route in app.routes:
        found = list(_PARAMETER.finditer(route.path))
        ids = tuple(one["name"] for one in found if one["kind"] == "uuid")
        if ids:
            # What stands between the parameters is plain words and slashes.
            yield Address(re.compile(_PARAMETER.sub(r"(?P<\g<name>>[^/]+)", route.path)), ids)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _no_id(text: str, name: str) -> str:
    kind = name.removesuffix("_id")
    more = _OF_SERVICES if kind == "service" else ""
    return f"{text[:64]!r} is no id of a {kind}: ids are UUIDs, such as {_EXAMPLE}.{more}"
