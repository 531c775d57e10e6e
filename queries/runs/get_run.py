"""One run with its attempts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Table, bindparam, select

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.ids import fire_time_window
from domain.runs.run import Attempt, Outcome, Run, RunState
from queries.runs.parts import SHOWN_RUN
from queries.sql_parts import columns_of
from storage.postgres.pools import Driver
from storage.postgres.statements import Statement
from storage.runs.rows import run_of
from storage.schema.tables import attempts, runs
from storage.shards import Shards


def _within_window(table: Table, run_id: Column[UUID]) -> list[ColumnElement[bool]]:
    # The id tells the fire time, so that one partition is looked at and not all of them.
    return [
        table.c.service_id == bindparam("service_id"),
        run_id == bindparam("run_id"),
        table.c.scheduled_for >= bindparam("since"),
        table.c.scheduled_for < bindparam("before"),
    ]


_GET = Statement(
    select(*SHOWN_RUN, runs.c.attempt_started_at)
    .select_from(runs)
    .where(*_within_window(runs, runs.c.id))
)
_ATTEMPTS = Statement(
    select(*columns_of(attempts, Attempt))
    .where(*_within_window(attempts, attempts.c.run_id))
    .order_by(attempts.c.number)
)


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
    since, before = fire_time_window(query.run_id)
    values = {
        "service_id": service_id,
        "run_id": query.run_id,
        "since": since,
        "before": before,
    }
    shown_from = query.caller.limits.history_start(query.now)

    async def ask(driver: Driver) -> tuple[Run, list[Attempt]]:
        row = await _GET.fetchrow(driver, **values)
        if row is None or row["scheduled_for"] < shown_from:
            raise NotFound(f"There is no run {query.run_id}.")
        ended = await _ATTEMPTS.fetch(driver, **values)
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
