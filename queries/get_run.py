"""One run with its attempts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Row, select

from domain.caller import Caller
from domain.errors import NotFound
from domain.ids import fire_time_window
from domain.run import Attempt, Run, RunState
from storage.runs import RUN_COLUMNS, run_of
from storage.shards import Shards
from storage.tables import attempts, runs

_ATTEMPT_COLUMNS = [attempts.c[name] for name in Attempt.__struct_fields__]


class GetRun(Struct, frozen=True, kw_only=True):
    caller: Caller
    run_id: UUID


async def get_run(query: GetRun, shards: Shards) -> tuple[Run, list[Attempt]]:
    """The run and its attempts in order, the one that rings now included.

    Raises:
        NotFound: When the service has no such run.
    """
    service_id = query.caller.service_id
    # The id tells the fire time, so that one partition is looked at and not all of them.
    start, end = fire_time_window(query.run_id)
    run_statement = select(*RUN_COLUMNS, runs.c.attempt_started_at).where(
        runs.c.service_id == service_id,
        runs.c.id == query.run_id,
        runs.c.scheduled_for >= start,
        runs.c.scheduled_for < end,
    )
    attempts_statement = (
        select(*_ATTEMPT_COLUMNS)
        .where(
            attempts.c.service_id == service_id,
            attempts.c.run_id == query.run_id,
            attempts.c.scheduled_for >= start,
            attempts.c.scheduled_for < end,
        )
        .order_by(attempts.c.number)
    )
    async with shards.of(service_id).reading(service_id) as connection:
        row = (await connection.execute(run_statement)).one_or_none()
        if row is None:
            raise NotFound(f"There is no run {query.run_id}.")
        ended = await connection.execute(attempts_statement)
    tries = [
        Attempt(**dict(zip(Attempt.__struct_fields__, ended_one, strict=True)))
        for ended_one in ended
    ]
    return run_of(row), tries + _ringing(row, tries)


def _ringing(row: Row[Any, *tuple[Any, ...]], ended: list[Attempt]) -> list[Attempt]:
    # An attempt is written when it ends; until then the run itself knows of it.
    if row.state is not RunState.RUNNING or len(ended) >= row.attempt_count:
        return []
    return [Attempt(number=row.attempt_count, started_at=row.attempt_started_at)]
