"""Schemas of all bodies, as strict as they are read, in words that generators understand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from app.openapi.handlers import shapes_of
from app.openapi.plain_words import DURATION, REF, in_words, name_of, plain
from domain.schedules.kinds import NAMES

Schema = dict[str, Any]

_PARTS_OF_BODIES = {"Limits"}
_ONE_OF_FIELDS = {
    "SpecBody": NAMES,
    "ScheduleBody": (*NAMES, "specs"),
    "ExclusionBody": (*NAMES, "date", "from", "calendar"),
}


def schemas(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Schema]:
    """The schemas of all that handlers take and answer, by name."""
    shapes = [shape for handler in handlers for shape in shapes_of(handler) if shape is not Any]
    _, found = msgspec.json.schema_components(shapes, ref_template=f"{REF}{{name}}")
    named = {name_of(name): plain(schema) for name, schema in found.items()}
    named["Duration"] = DURATION
    for name, schema in named.items():
        schema["title"] = name
        # What follows in a docstring is for those who read the code.
        schema["description"] = schema["description"].partition("\n\n")[0]
        if name.endswith("Body") or name in _PARTS_OF_BODIES:
            schema["properties"] = {
                field: in_words(said) for field, said in schema["properties"].items()
            }
    for name, fields in _ONE_OF_FIELDS.items():
        _take_one(named[name], fields)
    _add_listed_job(named)
    return dict(sorted(named.items()))


def _take_one(schema: Schema, fields: tuple[str, ...]) -> None:
    """Exactly one of the fields must be there.

    Not as a plain `oneOf`, of which generators would make as many types.
    """
    schema["if"] = {"oneOf": [{"required": [field]} for field in fields]}
    schema["else"] = {"not": {}}


def _add_listed_job(named: dict[str, Schema]) -> None:
    """A job in a list has the fields that were asked for."""
    listed = {name: value for name, value in named["JobResource"].items() if name != "required"}
    listed |= {"title": "ListedJob", "description": "A job, or those of its fields asked for."}
    named["ListedJob"] = listed
    named["JobPage"]["properties"]["items"]["items"] = {"$ref": f"{REF}ListedJob"}
