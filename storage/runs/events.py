"""Events of ended runs, of which statistics are made: whatever ends runs writes one.

An event is one row for all runs that one statement ended, and written by that very statement
(storage/sql/events/write.sql).
"""

from __future__ import annotations

from storage.postgres.pools import Driver
from storage.sql import statement

COUNTED_AT_MOST = 10_000
_COUNT_WAITING = statement("events/count_waiting", most=COUNTED_AT_MOST)


async def waiting_events(driver: Driver) -> int:
    """How many events are not yet aggregated; many thousands are not told apart."""
    count: int = await _COUNT_WAITING.fetchval(driver)
    return count
