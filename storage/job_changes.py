"""What commands do to a locked job, and to the runs that were claimed of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, case, delete, func, select, update

from domain.catchup import Outcome, account
from domain.errors import NotFound
from domain.job import Job
from domain.run import RunState, Trigger
from domain.schedules.schedule import TICK, Schedule, due_time, next_fire_time, next_nominal_time
from storage.calendars import full_schedule
from storage.jobs import decode_schedule, job_of
from storage.ledger import JobStretch, close_pause, open_pause, take_back, write_stretches
from storage.listings import FOUND_BY, list_anew
from storage.queue import RunKey
from storage.tables import jobs, runs
from storage.transactions import WriteConnection, driver_of

# What a claim-ahead wrote and no worker has rung yet.
_NOT_BEGUN = (
    runs.c.open,
    runs.c.state.in_([RunState.SCHEDULED, RunState.QUEUED]),
    runs.c.attempt_count == 0,
    runs.c.trigger == Trigger.SCHEDULE,
)
_FREED = case((runs.c.attempt_count == 0, RunState.SCHEDULED), else_=RunState.RETRYING)


async def lock_job(connection: WriteConnection, service_id: UUID, job_id: UUID) -> RowMapping:
    """The job's row, locked against claims and other commands until the transaction ends.

    Raises:
        NotFound: When the service has no such job.
    """
    result = await connection.execute(
        select(jobs).where(jobs.c.service_id == service_id, jobs.c.id == job_id).with_for_update()
    )
    if (row := result.mappings().one_or_none()) is None:
        raise NotFound(f"There is no job {job_id}.")
    return row


async def stored_schedule(connection: WriteConnection, row: RowMapping) -> Schedule:
    """The schedule of a locked job, with its calendars filled in."""
    schedule = decode_schedule(row["schedule"])
    driver = await driver_of(connection)
    return await full_schedule(driver, row["service_id"], schedule, lock=True)


async def change_job(
    connection: WriteConnection, row: RowMapping, now: datetime, **changes: Any
) -> Job:
    """Write changes to a locked job, as its next version."""
    result = await connection.execute(
        update(jobs)
        .where(jobs.c.service_id == row["service_id"], jobs.c.id == row["id"])
        .values(version=row["version"] + 1, updated_at=now, **changes)
        .returning(jobs)
    )
    job = job_of(result.mappings().one(), now)
    await list_anew(connection, row["service_id"], job, terms=not FOUND_BY.isdisjoint(changes))
    return job


async def withdraw_to_come(
    connection: WriteConnection, row: RowMapping, now: datetime
) -> dict[str, Any]:
    """Undo the claim-ahead of a locked job: what is later than `now` is claimed anew.

    A worker that holds a withdrawn run finds nothing to start at its due instant.

    Returns:
        The changes to the job's row; none when nothing was withdrawn.
    """
    if row["paused"]:
        return {}
    withdrawn = await _withdraw(connection, row, runs.c.scheduled_for > now)
    told = await take_back(await driver_of(connection), row["service_id"], row["id"], now)
    if not withdrawn and not told:
        return {}
    first = min(withdrawn + told)
    # Those that stay, cancelled ones for instance, are counted again with the others.
    counted = len(withdrawn) + await _counted_from(connection, row, first)
    run_count = max(row["run_count"] - counted, 0)
    schedule = await stored_schedule(connection, row)
    return {**after(schedule, first - TICK, run_count), "run_count": run_count}


async def withdraw_past(
    connection: WriteConnection, row: RowMapping, now: datetime, outcome: Outcome
) -> int:
    """Let go of a locked job's runs that are late and have not begun, for the reason `outcome`.

    Returns:
        How many: they do not count towards the schedule's number of runs.
    """
    withdrawn = await _withdraw(connection, row, runs.c.scheduled_for <= now)
    driver = await driver_of(connection)
    await write_stretches(
        driver,
        [
            JobStretch(
                service_id=row["service_id"],
                job_id=row["id"],
                first=instant,
                last=instant,
                outcome=outcome,
                count=1,
            )
            for instant in withdrawn
        ],
    )
    return len(withdrawn)


async def begin_pause(
    connection: WriteConnection, row: RowMapping, schedule: Schedule, accounted_to: datetime
) -> None:
    """Have the ledger say `paused` of what the schedule names from here on."""
    first = next_nominal_time(schedule, accounted_to)
    if first is not None:
        driver = await driver_of(connection)
        await open_pause(driver, row["service_id"], row["id"], first)


async def end_pause(
    connection: WriteConnection, row: RowMapping, schedule: Schedule, now: datetime
) -> None:
    """Have the ledger say `paused` of what passed since the pause began."""
    driver = await driver_of(connection)
    await close_pause(driver, row["service_id"], row["id"])
    await write_account(connection, row, schedule, Outcome.PAUSED, until=now, changes={})


async def write_account(
    connection: WriteConnection,
    row: RowMapping,
    schedule: Schedule,
    outcome: Outcome,
    *,
    until: datetime,
    changes: Mapping[str, Any],
) -> None:
    """Give what a locked job's schedule names its outcome, where it has none yet.

    Args:
        changes: What has changed since the row was read.
    """
    known = {**row, **changes}
    if _at_its_end(schedule, known["run_count"]):
        return
    found = account(schedule, outcome, after=known["accounted_to"], until=until)
    driver = await driver_of(connection)
    stretches = [JobStretch.of(row["service_id"], row["id"], one) for one in found]
    await write_stretches(driver, stretches)


async def free_runs(connection: WriteConnection, row: RowMapping, **changes: Any) -> list[RunKey]:
    """Take a job's waiting runs out of their workers' hands, so that they are read anew.

    Args:
        changes: To those that have not begun to ring.

    Returns:
        The runs freed, ready to be handed over after the commit.
    """
    mine = (runs.c.service_id == row["service_id"], runs.c.job_id == row["id"])
    if changes:
        await connection.execute(update(runs).where(*mine, *_NOT_BEGUN).values(**changes))
    freed = await connection.execute(
        update(runs)
        .where(*mine, runs.c.open, runs.c.state == RunState.QUEUED)
        .values(state=_FREED, held_by=None)
        .returning(runs.c.service_id, runs.c.id)
    )
    return [(service_id, run_id) for service_id, run_id in freed]


async def cancel_runs(
    connection: WriteConnection, service_id: UUID, job_id: UUID, now: datetime
) -> None:
    """End a job's open runs that no worker rings at this moment."""
    await connection.execute(
        update(runs)
        .where(
            runs.c.service_id == service_id,
            runs.c.job_id == job_id,
            runs.c.open,
            runs.c.state != RunState.RUNNING,
        )
        .values(
            state=RunState.CANCELLED,
            open=False,
            buffered=False,
            held_by=None,
            retry_at=None,
            finished_at=now,
            reason="The job was deleted.",
        )
    )


def after(schedule: Schedule, instant: datetime, run_count: int = 0) -> dict[str, Any]:
    """What a job's row says when all up to `instant` is accounted for."""
    at_its_end = _at_its_end(schedule, run_count)
    upcoming = None if at_its_end else next_fire_time(schedule, after=instant)
    return {
        "next_fire_for": upcoming,
        "next_claim_at": None if upcoming is None else due_time(schedule, upcoming),
        "accounted_to": instant,
        "claimed_for": [],
    }


def _at_its_end(schedule: Schedule, run_count: int) -> bool:
    return schedule.max_runs is not None and run_count >= schedule.max_runs


async def _counted_from(connection: WriteConnection, row: RowMapping, first: datetime) -> int:
    """How many runs of a job's schedule there are from a fire time on."""
    count = await connection.scalar(
        select(func.count())
        .select_from(runs)
        .where(
            runs.c.service_id == row["service_id"],
            runs.c.job_id == row["id"],
            runs.c.scheduled_for >= first,
            runs.c.trigger == Trigger.SCHEDULE,
            runs.c.state != RunState.SKIPPED_OVERLAP,
        )
    )
    return count or 0


async def _withdraw(connection: WriteConnection, row: RowMapping, which: Any) -> list[datetime]:
    result = await connection.execute(
        delete(runs)
        .where(
            runs.c.service_id == row["service_id"],
            runs.c.job_id == row["id"],
            which,
            *_NOT_BEGUN,
        )
        .returning(runs.c.scheduled_for)
    )
    return list(result.scalars())
