"""Schemas in words that every reader of JSON Schema knows, and every generator of clients."""

from __future__ import annotations

import json
from typing import Any

REF = "#/components/schemas/"
DURATION = {
    "title": "Duration",
    "description": "ISO 8601, such as PT30S or P1W, or a number of seconds",
    "anyOf": [{"type": "string", "format": "duration"}, {"type": "number", "minimum": 0}],
}
_NAMES = {
    "domain.policies.catchup.Outcome": "FireOutcome",
    "domain.runs.run.Outcome": "AttemptOutcome",
}
"""Of those that two modules call the same."""
# What Python needs, since its `$` also matches before a last line feed. In a schema it does not.
_ONLY_PYTHON = "(?!\\n)"


def name_of(found: str) -> str:
    """What a schema is called that msgspec calls so."""
    return _NAMES.get(found, found)


def plain(value: Any) -> Any:
    """The same in plain words."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    said = {key: plain(one) for key, one in value.items()}
    if said.get("anyOf") == DURATION["anyOf"]:
        return _duration(said)
    if isinstance(ref := said.get("$ref"), str):
        said["$ref"] = _renamed(ref)
    if isinstance(pattern := said.get("pattern"), str):
        said["pattern"] = pattern.replace(_ONLY_PYTHON, "")
    if _is_text(said.get("enum")):
        said["type"] = "string"
    if said.get("required") == []:
        del said["required"]
    if "discriminator" in said and "anyOf" in said:
        said["oneOf"] = said.pop("anyOf")  # the tag leaves one
    return said


def in_words(said: dict[str, Any]) -> dict[str, Any]:
    """A field of a body with its default in words: by the word itself, generators require it."""
    if "default" not in said:
        return said
    others = {key: one for key, one in said.items() if key != "default"}
    if not isinstance(said["default"], str | int | float):
        return others  # nothing, or what a schema of its own tells of
    default = f"Default: `{json.dumps(said['default'])}`"
    described = f"{said['description']}. {default}" if "description" in said else default
    return {**others, "description": described}


def _duration(said: dict[str, Any]) -> dict[str, Any]:
    """By one name: else a generator makes a class for every field of that kind."""
    more: dict[str, Any] = {key: said[key] for key in ("default", "description") if key in said}
    if more.get("description") == DURATION["description"]:
        del more["description"]
    return {"$ref": f"{REF}Duration", **more}


def _renamed(ref: str) -> str:
    return REF + name_of(ref.removeprefix(REF))


def _is_text(choices: object) -> bool:
    return isinstance(choices, list) and all(isinstance(one, str) for one in choices)
