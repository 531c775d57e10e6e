"""Run a job now, beside its schedule."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import RowMapping
from sqlalchemy.dialects.postgresql import insert

from domain.caller import Caller
from domain.ids import run_id
from domain.overlap import Overlap
from domain.run import Run, RunState, Trigger
from domain.schedules.schedule import TICK, next_nominal_time, utc_offset
from storage.audit import record
from storage.handing_over import hand_over_soon
from storage.job_changes import lock_job
from storage.jobs import decode_schedule
from storage.shards import Shards
from storage.tables import runs
from storage.traces import note_trace
from storage.transactions import WriteConnection


class TriggerJob(Struct, frozen=True, kw_only=True):
    """Attributes:
    overlap: Instead of the job's own policy, for this run.
    """

    caller: Caller
    job_id: UUID
    now: datetime
    overlap: Overlap | None = None


async def trigger_job(command: TriggerJob, shards: Shards) -> Run:
    """Write a run that is due now and hand it over. A paused job may be triggered too.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = command.caller.service_id
    shard = shards.of(service_id)
    async with shard.writing(service_id, (), command.caller.claim) as connection:
        row = await lock_job(connection, service_id, command.job_id)
        overlap = command.overlap or row["overlap"]
        run = await _write_run(connection, row, overlap, command.now)
        await record(
            connection, command.caller, "job.triggered", row["id"], command.now, run_id=str(run.id)
        )
        command.caller.settle(run)
    await note_trace(shard, service_id, run.id, command.now)
    await hand_over_soon(shard, [(service_id, run.id)])
    return run


async def _write_run(
    connection: WriteConnection, row: RowMapping, overlap: Overlap, now: datetime
) -> Run:
    """A run at the first free microsecond from `now`: a fire time names one run only.

    What the schedule names is left to the schedule, which may not have come to it yet.
    """
    schedule = decode_schedule(row["schedule"])
    scheduled_for = now
    offset = utc_offset(schedule, now)
    while True:
        run = Run(
            id=run_id(row["id"], scheduled_for),
            job_id=row["id"],
            state=RunState.SCHEDULED,
            trigger=Trigger.MANUAL,
            scheduled_for=scheduled_for,
            due_at=scheduled_for,
            utc_offset=offset,
        )
        named = next_nominal_time(schedule, scheduled_for - TICK) == scheduled_for
        if not named and await _inserted(connection, row, overlap, run):
            return run
        scheduled_for += TICK


async def _inserted(
    connection: WriteConnection, row: RowMapping, overlap: Overlap, run: Run
) -> bool:
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
            overlap=overlap,
            utc_offset=run.utc_offset,
            open=True,
            attempt_count=0,
        )
        .on_conflict_do_nothing()
    )
    return result.rowcount == 1
