"""SQL with named parameters: composed by SQLAlchemy, executed by asyncpg.

A statement is composed and compiled once, when it is first executed; after that only its values
are put in order. Where the shape varies, a function that is cached makes one statement a shape:

    @cache
    def change_of(columns: tuple[str, ...]) -> Statement:
        return Statement(update(jobs).where(*given(jobs.c.id)).values(values_of(*columns)))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    import asyncpg
    from sqlalchemy import BindParameter, ColumnElement
    from sqlalchemy.sql import ClauseElement
    from sqlalchemy.sql.elements import KeyedColumnElement

    from storage.postgres.pools import Driver

Row = TypeVar("Row")
Answer: TypeAlias = Coroutine[Any, Any, Row]
Encode = Callable[[Any], Any]
_GIVEN: Any = object()


class Parameter(NamedTuple):
    """One of a statement's parameters.

    Attributes:
        constant: Its value, if the statement itself says it.
        encode: Makes what asyncpg takes of a value; None if that is the value itself.
    """

    name: str
    constant: Any
    encode: Encode | None


class NamedStatement(ABC):
    """A statement with values by name: composed, as below, or of a file (storage.sql)."""

    @property
    @abstractmethod
    def text(self) -> str:
        """SQL with `$1` and so on."""

    @abstractmethod
    def arguments(self, values: Mapping[str, object]) -> Sequence[object]:
        """Values in the order of the parameters.

        Raises:
            TypeError: When a value is missing, or is of no parameter.
        """

    def fetch(self, driver: Driver, **values: object) -> Answer[list[asyncpg.Record]]:
        """All rows."""
        return driver.fetch(self.text, *self.arguments(values))

    def fetchrow(self, driver: Driver, **values: object) -> Answer[asyncpg.Record | None]:
        """The first row, if there is one."""
        return driver.fetchrow(self.text, *self.arguments(values))

    def fetchval(self, driver: Driver, **values: object) -> Answer[Any]:
        """The first column of the first row, if there is one."""
        return driver.fetchval(self.text, *self.arguments(values))

    def execute(self, driver: Driver, **values: object) -> Answer[str]:
        """The server's word of what was done, such as `DELETE 1`."""
        return driver.execute(self.text, *self.arguments(values))


class Statement(NamedStatement):
    """A statement of SQLAlchemy's, as asyncpg executes it.

    What is given with each execution is a `bindparam()`; all other values are constants. A list is
    one parameter: `column == any_(bindparam(name, type_=ARRAY(...)))`, never `in_()`, which would
    be another text for each length.

    Args:
        clause: Composed of the tables of storage.schema.tables.
    """

    def __init__(self, clause: ClauseElement) -> None:
        self._clause = clause

    @property
    def text(self) -> str:
        return self._compiled[0]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """In the order of their numbers."""
        return self._compiled[1]

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        arguments, used = [], 0
        for name, constant, encode in self._compiled[1]:
            value = constant
            if constant is _GIVEN:
                if name not in values:
                    raise TypeError(f"The statement wants a value of {name!r}.")
                value, used = values[name], used + 1
            arguments.append(value if encode is None or value is None else encode(value))
        if used != len(values):
            known = {parameter.name for parameter in self.parameters}
            raise TypeError(f"The statement has no parameter {sorted(values.keys() - known)}.")
        return arguments

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Parameter, ...]]:
        # Workers and dispatchers have no use for SQLAlchemy, which takes long to import.
        from sqlalchemy.dialects.postgresql import asyncpg as dialect  # noqa: PLC0415
        from sqlalchemy.sql.compiler import SQLCompiler  # noqa: PLC0415

        of_asyncpg: Any = dialect.dialect
        compiled = self._clause.compile(dialect=of_asyncpg())
        if not isinstance(compiled, SQLCompiler) or compiled.post_compile_params:
            raise TypeError("Compare with any_() of an array: in_() is another text each time.")
        parameters = tuple(
            _parameter(name, compiled.binds[name]) for name in compiled.positiontup or ()
        )
        del self._clause  # it is many times as large
        return compiled.string, parameters


def given(*columns: KeyedColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Conditions: each column is equal to the parameter of its name."""
    from sqlalchemy import bindparam  # noqa: PLC0415

    return [column == bindparam(column.key) for column in columns]


def values_of(*names: str) -> dict[str, BindParameter[Any]]:
    """Values of columns: each gets the parameter of its name."""
    from sqlalchemy import bindparam  # noqa: PLC0415

    return {name: bindparam(name) for name in names}


def _parameter(name: str, bind: Any) -> Parameter:
    from sqlalchemy import JSON  # noqa: PLC0415

    constant = _GIVEN if bind.required else bind.effective_value
    return Parameter(name, constant, _json if isinstance(bind.type, JSON) else None)


def _json(value: object) -> str:
    # Text is JSON already: no column of ours holds a mere string.
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
