"""All that is wrong with a body, value by value, with what would be right.

Decoding ends at the first wrong value; whoever sent it wants to know of all. So what was refused is
looked at once more, part by part; what is taken is not.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from app.requests.allowed_values import advice, alternatives, such_as, unwrapped
from app.responses.problems import ProblemError, WrongValues, wrong_value
from domain.durations import Duration, duration_of
from domain.errors import Invalid

MOST_ERRORS = 20


def refusal_of(body: bytes, hint: Any, first: msgspec.ValidationError) -> Exception:
    """What is answered to a body that is not of that type.

    Args:
        first: What decoding it met first.
    """
    try:
        value = msgspec.json.decode(body)
        errors = list(islice(_wrong(value, hint, ""), MOST_ERRORS))
    except (msgspec.ValidationError, OverflowError, RecursionError):
        errors = []  # a number or a depth that is out of all bounds
    except msgspec.DecodeError as error:
        return error  # behind what is wrong in it, it is not even JSON
    return WrongValues(errors or [wrong_value(str(first))])


def _wrong(
    value: Any, hint: Any, pointer: str, advised: str | None = None
) -> Iterator[ProblemError]:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=hint)
    except msgspec.ValidationError as error:
        within = list(islice(_within(value, hint, pointer), MOST_ERRORS))
        yield from within or [_told(error, value, hint, pointer, advised)]
    else:
        yield from _wrong_durations(value, hint, pointer)


def _wrong_durations(value: Any, hint: Any, pointer: str) -> Iterator[ProblemError]:
    """Texts that are no durations, which is found out only when they are read."""
    if isinstance(value, str) and (hint == Duration or Duration in typing.get_args(hint)):
        try:
            duration_of(value, pointer)
        except Invalid as refusal:
            yield ProblemError(detail=refusal.detail, pointer=pointer)
    elif isinstance(value, dict | list):
        yield from _within(value, hint, pointer)


def _within(value: Any, hint: Any, pointer: str) -> Iterator[ProblemError]:
    """What is wrong in the parts of a value, each for itself."""
    plain = _alternative(value, hint)
    arguments = typing.get_args(plain)
    if isinstance(value, dict) and _is_struct(plain):
        yield from _within_object(value, plain, pointer)
    elif isinstance(value, dict) and typing.get_origin(plain) is dict:
        for name, item in value.items():
            yield from _wrong(item, arguments[1], _below(pointer, name))
    elif isinstance(value, list) and typing.get_origin(plain) is list:
        for number, item in enumerate(value):
            yield from _wrong(item, arguments[0], f"{pointer}/{number}")


def _within_object(value: dict[str, Any], kind: Any, pointer: str) -> Iterator[ProblemError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    tag = kind.__struct_config__.tag_field
    for name in value.keys() - fields.keys() - {tag}:
        there_are = ", ".join(sorted({*fields, tag} - {None}))
        detail = f"There is no field {name[:64]!r} here; there are: {there_are}."
        yield ProblemError(detail=detail, pointer=_below(pointer, name))
    for name, field in fields.items():
        if name in value:
            yield from _wrong(
                value[name], field.type, _below(pointer, name), _advice(field.type, kind, name)
            )
        elif field.required:
            detail = f"The field `{name}` is required.{_advice(field.type, kind, name)}"
            yield ProblemError(detail=detail, pointer=_below(pointer, name))


def _advice(hint: Any, kind: Any, name: str) -> str:
    """What is allowed in a field, or an example of it."""
    examples = getattr(kind, "EXAMPLES", ())
    usual = next((one.value[name] for one in examples if name in one.value), None)
    return advice(hint) or such_as(_default(kind, name) if usual is None else usual)


def _default(kind: Any, name: str) -> Any:
    (field,) = [one for one in msgspec.structs.fields(kind) if one.encode_name == name]
    # Nothing, and what is empty, is no example.
    return field.default if field.default not in (msgspec.NODEFAULT, UNSET, None, "") else None


def _told(
    error: msgspec.ValidationError, value: Any, hint: Any, pointer: str, advised: str | None
) -> ProblemError:
    said = str(error).partition(" - at `")[0]
    tags = _tags(hint)
    if tags and isinstance(value, dict):
        field, names = tags
        detail = f"{said}. `{field}` is one of: {', '.join(names)}."
        return ProblemError(detail=detail, pointer=_below(pointer, field))
    told = advice(hint) if advised is None else advised
    return ProblemError(detail=f"{said}.{told}", pointer=pointer)


def _alternative(value: Any, hint: Any) -> Any:
    """The type that a value is most likely meant to be of."""
    kinds = [unwrapped(kind)[0] for kind in alternatives(hint)]
    structs = [kind for kind in kinds if _is_struct(kind)]
    if len(structs) > 1 and isinstance(value, dict):
        for kind in structs:
            config = kind.__struct_config__
            if value.get(config.tag_field) == config.tag:
                return kind
        return None
    return next((kind for kind in kinds if kind not in {type(None), UnsetType}), None)


def _tags(hint: Any) -> tuple[str, list[str]] | None:
    """The field that tells alternatives apart, and what it may say."""
    kinds = [unwrapped(kind)[0] for kind in alternatives(hint)]
    configs = [kind.__struct_config__ for kind in kinds if _is_struct(kind)]
    if len(configs) < 2:
        return None
    return configs[0].tag_field, [config.tag for config in configs]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _below(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
