"""What became of every fire time of a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.access.caller import Caller
from domain.errors import NotFound
from domain.policies.catchup import Outcome, Stretch
from domain.policies.catchup_plan import COUNTED, account
from domain.schedules.fire_times import TICK
from domain.schedules.schedule import Schedule
from storage.jobs.ledger import recorded_by_runs
from storage.jobs.rows import schedule_of
from storage.postgres.pools import Driver
from storage.shards import Shards
from storage.sql import statement

_LEDGER = statement("ledger/fire_times")
_JOB = statement("ledger/job")


class GetLedger(Struct, frozen=True, kw_only=True):
    """Attributes:
    start: The first fire time asked about.
    end: The first one that is not; what lies ahead of `now` has no outcome yet.
    after: The last entry's first fire time on the page before.
    """

    caller: Caller
    job_id: UUID
    start: datetime
    end: datetime
    after: datetime | None
    limit: int
    now: datetime


class LedgerRow(Struct, frozen=True, kw_only=True):
    """Attributes:
    until: The last of several fire times with this outcome.
    count: How many they are; None when nobody counted.
    """

    scheduled_for: datetime
    until: datetime | None
    outcome: Outcome
    run_id: UUID | None
    count: int | None


async def get_ledger(query: GetLedger, shards: Shards) -> list[LedgerRow]:
    """At most `limit` entries, oldest first.

    Raises:
        NotFound: When the service has no such job.
    """
    service_id = query.caller.service_id
    end = min(query.end, query.now + TICK)
    # A stretch that began before the range may reach into it: only its end tells.
    after = query.after or datetime.min.replace(tzinfo=query.now.tzinfo)

    async def ask(
        driver: Driver,
    ) -> tuple[asyncpg.Record, list[asyncpg.Record], list[datetime]]:
        rows = await _LEDGER.fetch(
            driver,
            service_id=service_id,
            job_id=query.job_id,
            after=after,
            start=query.start,
            end=end,
            limit=query.limit,
        )
        # Read last: what a claim records in between is left out, and not shown twice.
        job = await _JOB.fetchrow(driver, service_id=service_id, job_id=query.job_id)
        if job is None:
            raise NotFound(f"There is no job {query.job_id}.")
        told = await recorded_by_runs(driver, [(service_id, query.job_id, job["accounted_to"])])
        return job, rows, told[query.job_id]

    shard = shards.of(service_id)
    job, rows, told = await shard.read(service_id, ask, costly=True)
    schedule = schedule_of(job["schedule"], job["calendars"])
    entries = await shard.reckoning.run(
        service_id,
        schedule,
        lambda: [
            *(entry for row in rows for entry in _entries(row, schedule, query.now)),
            *_excluded_so_far(job, schedule, told, query.now),
        ],
        times=COUNTED if any(row["told"] is not None for row in rows) else 1,
    )
    return [
        entry
        for entry in sorted(entries, key=lambda entry: entry.scheduled_for)
        if after < entry.scheduled_for < end and (entry.until or entry.scheduled_for) >= query.start
    ][: query.limit]


def _entries(row: asyncpg.Record, schedule: Schedule, now: datetime) -> list[LedgerRow]:
    """One row; for a pause that goes on, as many as it has until now."""
    if row["told"] is None:
        return [_entry(row["first"], row["last"], row["outcome"], row["run_id"], row["count"])]
    return _ledger_rows_of(
        account(schedule, Outcome.PAUSED, after=row["first"] - TICK, until=now, told=row["told"])
    )


def _excluded_so_far(
    job: asyncpg.Record, schedule: Schedule, told: Sequence[datetime], now: datetime
) -> list[LedgerRow]:
    """Excluded fire times that are not recorded yet: the claim of the next fire time does that."""
    after, upcoming = job["accounted_to"], job["next_fire_for"]
    if not schedule.exclude or upcoming is None or min(upcoming - TICK, now) <= after:
        return []
    until = min(upcoming - TICK, now)
    return _ledger_rows_of(account(schedule, Outcome.EXCLUDED, after=after, until=until, told=told))


def _ledger_rows_of(stretches: list[Stretch]) -> list[LedgerRow]:
    return [_entry(one.first, one.last, one.outcome, None, one.count) for one in stretches]


def _entry(
    first: datetime, last: datetime, outcome: str, run_id: UUID | None, count: int | None
) -> LedgerRow:
    return LedgerRow(
        scheduled_for=first,
        until=None if last == first else last,
        outcome=Outcome(outcome),
        run_id=run_id,
        count=count,
    )
