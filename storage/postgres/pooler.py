"""Statements through a pooler in transaction mode, such as PgBouncer's.

What a transaction sets, and what it prepares, is gone when it ends: the next one may be on another
connection of the pooler's. So every statement is in a transaction, which says anew what the
planner may do, and none is prepared for longer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

CONNECT_OPTIONS: Mapping[str, Any] = {"statement_cache_size": 0}
"""Of the driver: statements are prepared without a name, which is the pooler's to forget."""


def setting_for_a_transaction(settings: Mapping[str, str]) -> str:
    """A statement that has settings hold until the transaction ends."""
    calls = [f"set_config('{name}', '{value}', true)" for name, value in settings.items()]
    return f"SELECT {', '.join(calls)}, {bounding_transaction()}"


def bounding_transaction(bound: str = "30s") -> str:
    """An expression that bounds a transaction, on servers that can (since 17)."""
    name = "transaction_timeout"
    known = f"current_setting('{name}', true) IS NOT NULL"
    return f"CASE WHEN {known} THEN set_config('{name}', '{bound}', true) END"


class PooledDriver:
    """A connection to a pooler, used like one to Postgres.

    Args:
        settings: Of every transaction.
    """

    def __init__(self, connection: asyncpg.Connection, settings: Mapping[str, str]) -> None:
        self._connection = connection
        self._settings = setting_for_a_transaction(settings)

    async def execute(self, query: str, *arguments: object) -> str:
        async with self._within():
            status: str = await self._connection.execute(query, *arguments)
        return status

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._within():
            rows: list[asyncpg.Record] = await self._connection.fetch(query, *arguments)
        return rows

    async def fetchrow(self, query: str, *arguments: object) -> asyncpg.Record | None:
        async with self._within():
            return await self._connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: object) -> Any:
        async with self._within():
            return await self._connection.fetchval(query, *arguments)

    @asynccontextmanager
    async def transaction(self, *, isolation: str | None = None) -> AsyncIterator[None]:
        """One that is in another is a savepoint of it."""
        is_inner = self._connection.is_in_transaction()
        async with self._connection.transaction(isolation=isolation):
            if not is_inner:
                await self._connection.execute(self._settings)
            yield

    @asynccontextmanager
    async def _within(self) -> AsyncIterator[None]:
        if self._connection.is_in_transaction():
            yield
        else:
            async with self.transaction():
                yield
