"""What EXPLAIN says of statements, as they are planned in production."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

_BUFFERS = re.compile(r"shared (?:hit=(\d+))?(?: read=(\d+))?")
_INDEX = re.compile(r"(?:using|Bitmap Index Scan on) (\w+)")
_PARTITION = re.compile(r"^(?P<indent> *)->  .* on (?:runs|attempts)_(?:\d{8}|default)\b")
_NAME = "looked_at"


# An index of a partition has a name that PostgreSQL chose; that of the whole table has ours.
_PARENTS = """
SELECT child.relname, parent.relname
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
JOIN pg_class AS parent ON parent.oid = inhparent
WHERE child.relname = ANY($1::text[])
"""


class Plan(NamedTuple):
    """Attributes:
    indexes: The indexes that were used, named as those of whole tables.
    buffers: Pages that were touched.
    """

    statement: str
    text: str
    indexes: list[str]
    buffers: int


class Recorder:
    """Stands for a connection, and remembers what it was asked."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver
        self.asked: list[tuple[str, tuple[object, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        ask = getattr(self._driver, name)

        def asked(statement: str, *arguments: object) -> Any:
            self.asked.append((statement, arguments))
            return ask(statement, *arguments)

        return asked


async def explained(
    driver: asyncpg.Connection, statement: str, arguments: tuple[object, ...]
) -> Plan:
    """The generic plan of a statement, run with its arguments."""
    await driver.execute(f"PREPARE {_NAME} AS {statement}")
    try:
        given = f"({', '.join(map(_literal, arguments))})" if arguments else ""
        explain = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE {_NAME}{given}"
        await driver.fetch(explain)  # what is read from disk by the way is of no interest
        lines = [row[0] for row in await driver.fetch(explain)]
    finally:
        await driver.execute(f"DEALLOCATE {_NAME}")
    text = "\n".join(_shortened(lines))
    return Plan(statement.strip(), text, await _indexes(driver, text), _buffers(lines))


async def _indexes(driver: asyncpg.Connection, text: str) -> list[str]:
    used = dict.fromkeys(_INDEX.findall(text))
    parents = dict(map(tuple, await driver.fetch(_PARENTS, list(used))))
    return sorted({parents.get(name, name) for name in used})


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(value)
        case UUID() | str():
            return "'" + str(value).replace("'", "''") + "'"
        case datetime():
            return f"'{value.isoformat()}'"
        case list() | tuple():
            return _literal(f"{{{','.join(map(str, value))}}}")  # of ids or states
    raise TypeError(value)


def _buffers(lines: list[str]) -> int:
    """Of the topmost node, which counts those below it."""
    found = next((match for line in lines if (match := _BUFFERS.search(line))), None)
    return 0 if found is None else sum(int(number or 0) for number in found.groups())


def _shortened(lines: list[str]) -> list[str]:
    """One partition of many that are alike, and the end without planning."""
    kept: list[str] = []
    alike, skipped_from = 0, None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.startswith("Planning"):
            skipped_from = 0
        if skipped_from is not None and indent > skipped_from:
            continue
        skipped_from = None
        match = _PARTITION.match(line)
        if match and kept and _is_alike(kept, match):
            alike += 1
            skipped_from = indent
            continue
        if alike:
            kept.append(f"{' ' * indent}   (and {alike} partitions more)")
            alike = 0
        kept.append(line)
    return [line for line in kept if not line.startswith("Planning")]


def _is_alike(kept: list[str], match: re.Match[str]) -> bool:
    """Whether the last node on the same level is a partition, too."""
    indent = len(match["indent"])
    for line in reversed(kept):
        at = len(line) - len(line.lstrip())
        if at <= indent and line.lstrip().startswith("->"):
            return at == indent and _PARTITION.match(line) is not None
    return False
