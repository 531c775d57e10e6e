"""Count ended runs in the statistics of their jobs and services."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from storage.postgres.pools import Database
from storage.services.statistics import Aggregated, aggregate_events, may_write


class AggregateRunEvents(Struct, frozen=True, kw_only=True):
    now: datetime


async def aggregate_run_events(command: AggregateRunEvents, database: Database) -> Aggregated:
    """Count each run once: its event is deleted in the transaction that counts it.

    While another process does this, or rebuilds, nothing is left to do here.
    """
    async with database.driver() as driver, driver.transaction():
        if await may_write(driver):
            return await aggregate_events(driver, command.now)
    return Aggregated(runs=0, more=False)
