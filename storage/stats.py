"""Statistics of ended runs, in buckets: a job's by the day, a service's by the hour, in UTC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple

import asyncpg

from domain.sketch import BINS_PER_E, LEAST_MS, compacted
from domain.stats import ENDS
from storage.postgres import Driver

LOOSE = 200
"""A bucket's sketches are made compact when they have grown by so many values."""
EVENTS_AT_ONCE = 500
RUNS_AT_ONCE = 5_000
FORGOTTEN_AT_ONCE = 10_000
# There is one writer at a time: two would wait for each other at the rows of their services.
_ADVISORY_LOCK = 0x70C52

_FIGURES = f"""
{", ".join(ENDS)}, lateness, lateness_max, duration, duration_max,
overlap_wait, overlap_wait_max, loose, last_success_at, last_failure_at, updated_at
"""


class Buckets(NamedTuple):
    """A table of statistics. Attributes:
    owner: The columns that say whose they are.
    span: Of one bucket; also the column that tells its start.
    """

    table: str
    owner: str
    span: str


JOB_STATS = Buckets("job_stats", "service_id, job_id", "day")
SERVICE_STATS = Buckets("service_stats", "service_id", "hour")


class Folded(NamedTuple):
    """Attributes:
    runs: How many were counted.
    more: Whether events are left.
    """

    runs: int
    more: bool


def folding(ended: str) -> str:
    """A statement that counts runs in their buckets, and returns the buckets that grew loose.

    Args:
        ended: The end of a WITH clause that makes a table `ended`, with columns named as in
            storage.run_events. Its parameters begin with $2; $1 is the time it is.
    """
    return f"""
    WITH {ended}, counted AS (
        SELECT service_id, job_id, state, finished_at, lateness_ms, duration_ms, overlap_wait_ms,
            {_sketch("lateness_ms")} AS lateness, {_sketch("duration_ms")} AS duration,
            {_sketch("overlap_wait_ms")} AS overlap_wait
        FROM ended
    ), jobs AS ({_adding(JOB_STATS)}), services AS ({_adding(SERVICE_STATS)})
    SELECT service_id, job_id, day AS start, lateness, duration, overlap_wait
    FROM jobs WHERE loose > {LOOSE}
    UNION ALL
    SELECT service_id, NULL, hour, lateness, duration, overlap_wait
    FROM services WHERE loose > {LOOSE}
    """


def _sketch(ms: str) -> str:
    """A sketch of one value, as domain.sketch reads it, or null of none."""
    # Not `greatest`, which would make the least of what is null.
    value = f"CASE WHEN {ms} < {LEAST_MS} THEN {LEAST_MS} ELSE {ms} END"
    return rf"int2send(ceil(ln({value}) * {BINS_PER_E!r})::int2) || '\x00000001'::bytea"


def _adding(buckets: Buckets) -> str:
    table, owner, span = buckets
    counts = ", ".join(f"count(*) FILTER (WHERE state = '{state}')" for state in ENDS)
    sums = ", ".join(f"{state} = {table}.{state} + excluded.{state}" for state in ENDS)
    return f"""
    INSERT INTO {table} ({owner}, {span}, {_FIGURES})
    SELECT {owner}, date_trunc('{span}', finished_at, 'UTC'), {counts},
        coalesce(string_agg(lateness, ''), ''), max(lateness_ms),
        coalesce(string_agg(duration, ''), ''), max(duration_ms),
        coalesce(string_agg(overlap_wait, ''), ''), max(overlap_wait_ms),
        count(lateness) + count(duration) + count(overlap_wait),
        max(finished_at) FILTER (WHERE state = 'succeeded'),
        max(finished_at) FILTER (WHERE state = 'failed'), $1::timestamptz
    FROM counted
    GROUP BY {owner}, date_trunc('{span}', finished_at, 'UTC')
    ON CONFLICT ({owner}, {span}) DO UPDATE SET {sums},
        lateness = {table}.lateness || excluded.lateness,
        lateness_max = greatest({table}.lateness_max, excluded.lateness_max),
        duration = {table}.duration || excluded.duration,
        duration_max = greatest({table}.duration_max, excluded.duration_max),
        overlap_wait = {table}.overlap_wait || excluded.overlap_wait,
        overlap_wait_max = greatest({table}.overlap_wait_max, excluded.overlap_wait_max),
        loose = {table}.loose + excluded.loose,
        last_success_at = greatest({table}.last_success_at, excluded.last_success_at),
        last_failure_at = greatest({table}.last_failure_at, excluded.last_failure_at),
        updated_at = excluded.updated_at
    RETURNING {owner}, {span}, lateness, duration, overlap_wait, loose
    """


def _compacting(buckets: Buckets) -> str:
    table, owner, span = buckets
    return f"""
    UPDATE {table}
    SET lateness = compact.lateness, duration = compact.duration,
        overlap_wait = compact.overlap_wait, loose = 0
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bytea[], $5::bytea[], $6::bytea[])
        AS compact (service_id, job_id, {span}, lateness, duration, overlap_wait)
    WHERE ({", ".join(f"{table}.{column}" for column in (*owner.split(", "), span))})
        = ({", ".join(f"compact.{column}" for column in (*owner.split(", "), span))})
    """


_WAITING = "SELECT id, count FROM run_events ORDER BY id LIMIT $1"
_FOLD_EVENTS = folding("""
taken AS (
    DELETE FROM run_events WHERE id = ANY ($2::bigint[]) RETURNING *
), ended AS (
    SELECT run.*
    FROM taken, unnest(service_ids, job_ids, states, lateness_ms, duration_ms, finished_at,
            overlap_wait_ms)
        AS run (service_id, job_id, state, lateness_ms, duration_ms, finished_at, overlap_wait_ms)
)
""")
_COMPACT_JOBS, _COMPACT_SERVICES = _compacting(JOB_STATS), _compacting(SERVICE_STATS)


def _forgetting(buckets: Buckets) -> str:
    return f"""
    DELETE FROM {buckets.table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {buckets.table} WHERE {buckets.span} < $1 LIMIT {FORGOTTEN_AT_ONCE}
    ))
    """


async def fold_events(driver: Driver, now: datetime) -> Folded:
    """Count the runs of the oldest events, and delete those; within the transaction of a writer."""
    waiting = await driver.fetch(_WAITING, EVENTS_AT_ONCE)
    taken, runs = [], 0
    for event in waiting:
        if runs >= RUNS_AT_ONCE:
            break
        taken.append(event["id"])
        runs += event["count"]
    if taken:
        await fold(driver, _FOLD_EVENTS, now, taken)
    return Folded(runs, more=len(taken) < len(waiting) or len(waiting) == EVENTS_AT_ONCE)


async def fold(driver: Driver, statement: str, now: datetime, *arguments: object) -> None:
    """Count runs with a statement of `folding`."""
    loose = await driver.fetch(statement, now, *arguments)
    await _compact(driver, _COMPACT_JOBS, [row for row in loose if row["job_id"]])
    await _compact(driver, _COMPACT_SERVICES, [row for row in loose if not row["job_id"]])


async def _compact(driver: Driver, statement: str, rows: Sequence[asyncpg.Record]) -> None:
    if rows:
        await driver.execute(
            statement,
            [row["service_id"] for row in rows],
            [row["job_id"] for row in rows],
            [row["start"] for row in rows],
            [compacted(row["lateness"]) for row in rows],
            [compacted(row["duration"]) for row in rows],
            [compacted(row["overlap_wait"]) for row in rows],
        )


async def may_write(driver: Driver) -> bool:
    """Become the writer until the transaction ends, unless there is one."""
    return bool(await driver.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ADVISORY_LOCK))


@asynccontextmanager
async def sole_writer(driver: Driver) -> AsyncIterator[None]:
    """Be the writer, over several transactions; wait until another has ended."""
    await driver.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
    try:
        yield
    finally:
        await driver.execute("SELECT pg_advisory_unlock($1)", _ADVISORY_LOCK)


async def forget_stats(driver: Driver, before: datetime) -> int:
    """Delete buckets that began before an instant, and return how many."""
    count = 0
    for buckets in (JOB_STATS, SERVICE_STATS):
        statement = _forgetting(buckets)
        while gone := int((await driver.execute(statement, before)).rpartition(" ")[2]):
            count += gone
    return count
