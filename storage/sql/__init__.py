r"""Statements of the data path, each in a file of its own, with named parameters.

In a file, `:name` is a parameter, and a line `\ir other.sql` stands for what that file beside it
holds (psql writes both so). Postgres gets `$1`, `$2`, … in the order in which the names appear; one
that appears again has the same number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from operator import itemgetter
from pathlib import Path

from storage.postgres.statements import NamedStatement

Constant = int | float | str | timedelta

_FOLDER = Path(__file__).parent
_INCLUDED = re.compile(r"^( *)\\ir (\S+)$", re.MULTILINE)
# Comments, texts and casts may hold colons that begin no name.
_NAME = re.compile(r"--[^\n]*|'(?:[^']|'')*'|::|:([a-z][a-z0-9_]*)")


class SqlFile(NamedStatement):
    """A statement of this folder.

    Attributes:
        parameters: The names of its parameters, in the order of their numbers.
    """

    def __init__(self, name: str, text: str, parameters: tuple[str, ...]) -> None:
        self.name = name
        self.parameters = parameters
        self._text = text
        self._in_order = _in_order(parameters)

    @property
    def text(self) -> str:
        return self._text

    def arguments(self, values: Mapping[str, object]) -> Sequence[object]:
        if len(values) == len(self.parameters):
            try:
                return self._in_order(values)
            except KeyError:
                pass
        odd = sorted(values.keys() ^ set(self.parameters))
        raise TypeError(f"{self.name}.sql: missing, or not a parameter: {', '.join(odd)}")


def statement(name: str, **constants: Constant) -> SqlFile:
    """The statement in a file of this folder.

    Args:
        name: Of the file, without `.sql`, as `attempts/take`.
        constants: Values of names that are no parameters, the same whenever it is asked: the
            planner knows them.

    Raises:
        ValueError: When the file does not use one of the constants.
    """
    text = _text_of(_FOLDER / f"{name}.sql")
    numbers: dict[str, int] = {}
    unused = set(constants)

    def stands_for(match: re.Match[str]) -> str:
        found: str | None = match[1]
        if found is None:
            return match[0]
        if found in constants:
            unused.discard(found)
            return _literal(constants[found])
        return f"${numbers.setdefault(found, len(numbers) + 1)}"

    text = _NAME.sub(stands_for, text)
    if unused:
        raise ValueError(f"{name}.sql does not use {', '.join(sorted(unused))}")
    return SqlFile(name, text, tuple(numbers))


def _text_of(path: Path) -> str:
    """What a file holds, and those that it includes, each indented as its line is."""

    def included(match: re.Match[str]) -> str:
        indent, name = match.groups()
        return "\n".join(indent + line for line in _text_of(path.parent / name).split("\n"))

    return _INCLUDED.sub(included, path.read_text(encoding="utf-8").rstrip("\n;"))


def _literal(value: Constant) -> str:
    match value:
        case timedelta():
            return f"interval '{value.total_seconds()!r} s'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return repr(value)


def _in_order(names: tuple[str, ...]) -> Callable[[Mapping[str, object]], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)
