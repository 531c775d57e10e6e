"""Run a job now, beside its schedule."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from dramatiq import BrokerError
from msgspec import Struct
from redis.exceptions import RedisError
from sqlalchemy import RowMapping
from sqlalchemy.dialects.postgresql import insert

from domain.caller import Caller
from domain.ids import run_id
from domain.run import Run, RunState, Trigger
from storage.audit import record
from storage.job_changes import lock_job
from storage.shards import Shards
from storage.tables import runs
from storage.transactions import WriteConnection

log = structlog.get_logger()
_MICROSECOND = timedelta(microseconds=1)


class TriggerJob(Struct, frozen=True, kw_only=True):
    caller: Caller
    job_id: UUID
    now: datetime


async def trigger_job(command: TriggerJob, shards: Shards) -> Run:
    """Write a run that is due now and hand it over. A paused job may be triggered too.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        run = await _write_run(connection, row, command.now)
        await record(
            connection, command.caller, "job.triggered", row["id"], command.now, run_id=str(run.id)
        )
    try:
        await shard.queue.hand_over([(service_id, run.id)])
    except (RedisError, BrokerError) as error:
        # The run is committed: the sweep hands it over when Redis is back.
        log.warning("run.not_handed_over", run_id=str(run.id), error=str(error))
    return run


async def _write_run(connection: WriteConnection, row: RowMapping, now: datetime) -> Run:
    """A run at the first free microsecond from `now`: a fire time names one run only."""
    scheduled_for = now
    while True:
        run = Run(
            id=run_id(row["id"], scheduled_for),
            job_id=row["id"],
            state=RunState.SCHEDULED,
            trigger=Trigger.MANUAL,
            scheduled_for=scheduled_for,
            due_at=scheduled_for,
        )
        if scheduled_for != row["next_claim_at"] and await _inserted(connection, row, run):
            return run
        scheduled_for += _MICROSECOND


async def _inserted(connection: WriteConnection, row: RowMapping, run: Run) -> bool:
    result = await connection.execute(
        insert(runs)
        .values(
            service_id=row["service_id"],
            job_id=row["id"],
            scheduled_for=run.scheduled_for,
            id=run.id,
            due_at=run.due_at,
            trigger=run.trigger,
            state=run.state,
            open=True,
            attempt_count=0,
        )
        .on_conflict_do_nothing()
    )
    return result.rowcount == 1
