"""One run with its attempts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.ids import fire_time_window
from domain.runs.run import Attempt, Outcome, Run, RunState
from storage.postgres import Driver
from storage.runs import SHOWN_COLUMNS, run_of
from storage.shards import Shards

_WHERE = "service_id = $1 AND {id} = $2 AND scheduled_for >= $3 AND scheduled_for < $4"
_GET = f"SELECT {SHOWN_COLUMNS}, attempt_started_at FROM runs WHERE {_WHERE.format(id='id')}"
_ATTEMPTS = f"""
SELECT {", ".join(Attempt.__struct_fields__)}
FROM attempts WHERE {_WHERE.format(id="run_id")} ORDER BY number
"""


class GetRun(Struct, frozen=True, kw_only=True):
    caller: Caller
    run_id: UUID
    now: datetime


async def get_run(query: GetRun, shards: Shards) -> tuple[Run, list[Attempt]]:
    """The run and its attempts in order, the one that rings now included.

    Raises:
        NotFound: When the service has no such run.
    """
    service_id = query.caller.service_id
    # The id tells the fire time, so that one partition is looked at and not all of them.
    window = fire_time_window(query.run_id)
    shown_from = query.caller.limits.history_start(query.now)

    async def ask(driver: Driver) -> tuple[Run, list[Attempt]]:
        row = await driver.fetchrow(_GET, service_id, query.run_id, *window)
        if row is None or row["scheduled_for"] < shown_from:
            raise NotFound(f"There is no run {query.run_id}.")
        ended = await driver.fetch(_ATTEMPTS, service_id, query.run_id, *window)
        tries = [_attempt_of(one) for one in ended]
        return run_of(row), tries + _ringing(row, tries)

    return await shards.of(service_id).read(service_id, ask)


def _attempt_of(row: asyncpg.Record) -> Attempt:
    return Attempt(**{**row, "outcome": Outcome(row["outcome"])})


def _ringing(row: asyncpg.Record, ended: list[Attempt]) -> list[Attempt]:
    # An attempt is written when it ends; until then the run itself knows of it.
    if row["state"] != RunState.RUNNING or len(ended) >= row["attempt_count"]:
        return []
    return [Attempt(number=row["attempt_count"], started_at=row["attempt_started_at"])]
