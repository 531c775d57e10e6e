"""Runs that end by the hundred, and a recount of them that knows nothing of how we count."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec import Struct

from commands.firing.finish_attempts import EndedAttempt, finish_attempts
from commands.statistics.aggregate_run_events import AggregateRunEvents, aggregate_run_events
from domain.access.caller import Caller
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from domain.runs.sketch import percentiles
from queries.stats.get_stats import GetJobStats, GetServiceStats, get_job_stats, get_service_stats
from storage.cache.shared_cache import CacheChanges
from storage.postgres.pools import Database
from storage.shards import Shard
from tests.commands.firing import WORKER, Firing

EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
ONCE = RetryPolicy(max_attempts=1)
FIGURES = ("succeeded", "failed", "cancelled", "skipped_overlap", "missed", "last_success_at")

_RINGING = """
INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state, open,
    attempt_count, held_by, attempt_started_at, overlap_wait_ms)
VALUES ($1, $2, $3, $4, $3, 'schedule', 'running', true, 1, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
_ENDED = """
SELECT service_id, job_id, state, lateness_ms, overlap_wait_ms, started_at, finished_at
FROM runs WHERE NOT open
"""


class Ending(Struct, frozen=True, kw_only=True):
    """A run that rings, and how it will end.

    Attributes:
        overlap_wait_ms: How long it waited for its turn, if it did; that is part of `lateness`.
    """

    job_id: UUID
    due_at: datetime
    lateness: timedelta = timedelta(0)
    overlap_wait_ms: float | None = None
    duration: timedelta = timedelta(seconds=1)
    outcome: Outcome = Outcome.SUCCEEDED
    service_id: UUID | None = None


async def ring(database: Database, caller: Caller, endings: list[Ending]) -> list[EndedAttempt]:
    """Have runs ring, and return the attempts as they will end."""
    attempts = [
        EndedAttempt(
            service_id=ending.service_id or caller.service_id,
            job_id=ending.job_id,
            run_id=uuid4(),
            scheduled_for=ending.due_at,
            held_by=WORKER,
            number=1,
            started_at=ending.due_at + ending.lateness,
            finished_at=ending.due_at + ending.lateness + ending.duration,
            outcome=ending.outcome,
            retry=ONCE,
            draw=0.0,
        )
        for ending in endings
    ]
    async with database.driver() as driver:
        for one, ending in zip(attempts, endings, strict=True):
            key = (one.service_id, one.job_id, one.scheduled_for, one.run_id)
            waited = ending.overlap_wait_ms
            await driver.execute(_RINGING, *key, one.held_by, one.started_at, waited)
    return attempts


async def end(shard: Shard, caller: Caller, endings: list[Ending]) -> None:
    """Have runs ring and end, all in one batch."""
    await finish_attempts(await ring(shard.database, caller, endings), shard)


async def fold(firing: Firing, now: datetime | None = None) -> int:
    """Fold all that waits, and return how many runs were counted."""
    counted, more = 0, True
    while more:
        command = AggregateRunEvents(now=now or datetime.now(UTC))
        runs, more = await aggregate_run_events(command, firing.database)
        counted += runs
    # A fold is no commit of the service's; its next reads are to see it all the same.
    async with firing.shard.writing(firing.caller.service_id, CacheChanges(invalidates=False)):
        pass
    return counted


async def waiting(firing: Firing) -> list[asyncpg.Record]:
    """The events that wait, oldest first."""
    return await firing.rows("SELECT * FROM run_events ORDER BY id")


async def told_states(firing: Firing) -> list[str]:
    """The states that waiting events tell of."""
    return [state for event in await waiting(firing) for state in event["states"]]


async def job_counts(firing: Firing, job_id: UUID) -> dict[str, int]:
    """What a job's statistics count, without what is zero."""
    query = GetJobStats(caller=firing.caller, job_id=job_id, start=EVER[0], end=EVER[1])
    stats = await get_job_stats(query, firing.shards)
    return {state.value: count for state, count in stats.counts.items() if count}


async def service_counts(firing: Firing) -> dict[str, int]:
    """The same of the service."""
    query = GetServiceStats(caller=firing.caller, start=EVER[0], end=EVER[1])
    stats = await get_service_stats(query, firing.shards)
    return {state.value: count for state, count in stats.counts.items() if count}


async def kept(firing: Firing) -> dict[Any, Any]:
    """All buckets of all services, with their sketches as percentiles."""
    jobs = await firing.rows("SELECT * FROM job_stats")
    services = await firing.rows("SELECT * FROM service_stats")
    return {_key(row): _figures(row) for row in (*jobs, *services)}


async def recounted(firing: Firing) -> dict[Any, Any]:
    """What the buckets should say, from the runs; of sketches, all their values."""
    buckets: dict[Any, list[asyncpg.Record]] = {}
    for run in await firing.rows(_ENDED):
        day = run["finished_at"].replace(hour=0, minute=0, second=0, microsecond=0)
        hour = run["finished_at"].replace(minute=0, second=0, microsecond=0)
        buckets.setdefault((run["service_id"], run["job_id"], day), []).append(run)
        buckets.setdefault((run["service_id"], None, hour), []).append(run)
    return {key: _recount(runs) for key, runs in buckets.items()}


def _recount(runs: list[asyncpg.Record]) -> dict[str, Any]:
    counts = Counter(run["state"] for run in runs)
    ends = {
        state: [run["finished_at"] for run in runs if run["state"] == state]
        for state in ("succeeded", "failed")
    }
    return {
        **{state: counts[state] for state in FIGURES[:5]},
        "last_success_at": max(ends["succeeded"], default=None),
        "last_failure_at": max(ends["failed"], default=None),
        "lateness": sorted(run["lateness_ms"] for run in runs if run["lateness_ms"] is not None),
        "overlap_wait": sorted(
            run["overlap_wait_ms"] for run in runs if run["overlap_wait_ms"] is not None
        ),
        "duration": sorted(
            (run["finished_at"] - run["started_at"]) / timedelta(milliseconds=1)
            for run in runs
            if run["state"] in ends
        ),
    }


def _key(row: asyncpg.Record) -> Any:
    return row["service_id"], row.get("job_id"), row.get("day") or row.get("hour")


def _figures(row: asyncpg.Record) -> dict[str, Any]:
    return {
        **{name: row[name] for name in (*FIGURES, "last_failure_at")},
        "lateness": percentiles(row["lateness"], row["lateness_max"]),
        "duration": percentiles(row["duration"], row["duration_max"]),
        "overlap_wait": percentiles(row["overlap_wait"], row["overlap_wait_max"]),
    }


def agree(kept_: dict[Any, Any], recounted_: dict[Any, Any]) -> None:
    """Fail unless buckets say what a recount says, percentiles within what is promised."""
    assert kept_.keys() == recounted_.keys()
    for key, wanted in recounted_.items():
        found = kept_[key]
        for name in (*FIGURES, "last_failure_at"):
            assert found[name] == wanted[name], (key, name)
        for name in ("lateness", "duration", "overlap_wait"):
            near(found[name], wanted[name])


def near(found: Any, values: list[float]) -> None:
    """Fail unless percentiles are those of the sorted values, within 1 % or a microsecond."""
    if not values:
        assert found is None
        return
    assert found.max == pytest.approx(values[-1], rel=1e-12)
    for share, value in ((0.5, found.p50), (0.9, found.p90), (0.99, found.p99)):
        exact = values[int(share * (len(values) - 1))]
        assert abs(value - exact) <= 0.01 * exact * (1 + 1e-9) + 0.001 + 1e-9, (share, value, exact)
