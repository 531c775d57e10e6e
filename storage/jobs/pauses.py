"""What a pause of a locked job means for its ledger and its next fire time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.policies.catchup import Outcome
from domain.schedules.edited import counted_after
from domain.schedules.fire_times import next_nominal_time
from domain.schedules.schedule import Schedule
from storage.jobs.calendar_changes import JobRow
from storage.jobs.changes import at_its_end, reckon_after, write_account
from storage.jobs.last_runs import last_open_run
from storage.jobs.ledger import close_pause, open_pause
from storage.postgres.pools import Driver


async def begin_pause(
    driver: Driver, row: JobRow, schedule: Schedule, accounted_to: datetime
) -> None:
    """Have the ledger say `paused` of what the schedule names from here on."""
    first = next_nominal_time(schedule, accounted_to)
    if first is not None:
        await open_pause(driver, row["service_id"], row["id"], first)


async def end_pause(driver: Driver, row: JobRow, schedule: Schedule, now: datetime) -> None:
    """Have the ledger say `paused` of what passed since the pause began."""
    await close_pause(driver, row["service_id"], row["id"])
    await write_account(driver, row, schedule, Outcome.PAUSED, until=now, changes={})


async def after_pause(
    driver: Driver,
    row: JobRow,
    schedule: Schedule,
    instant: datetime,
) -> dict[str, Any]:
    """What the row of a job that goes on says when all up to `instant` is accounted for."""
    changes = await reckon_after(schedule, instant, row["run_count"])
    if at_its_end(schedule, row["run_count"]):
        since = counted_after(schedule)
        last = await last_open_run(driver, row["service_id"], row["id"], since)
        if last is not None:  # and may still be given back (storage.jobs.last_runs)
            changes |= {"next_fire_for": min(last, instant), "next_claim_at": instant}
    return changes
