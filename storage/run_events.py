"""Events of ended runs, from which statistics are folded: whatever ends runs writes one.

An event is one row for all runs that one statement ended, and written by that very statement.
"""

from __future__ import annotations

from storage.postgres import Driver

# From the start of the first attempt to the end of the last. What was cut off tells no duration.
DURATION_MS = """
CASE WHEN runs.state IN ('succeeded', 'failed')
    THEN date_part('epoch', runs.finished_at - runs.started_at) * 1000 END
"""
ENDED = f"""
runs.service_id, runs.job_id, runs.state, runs.lateness_ms, {DURATION_MS} AS duration_ms,
runs.finished_at, runs.overlap_wait_ms
"""
"""What an event tells of a run."""

COUNTED_AT_MOST = 10_000
_WAITING = f"SELECT count(*) FROM (SELECT FROM run_events LIMIT {COUNTED_AT_MOST}) AS waiting"


def event_of(runs: str) -> str:
    """A statement that writes an event.

    Args:
        runs: The name of the rows of runs, with columns named as in `ENDED`. Those that will be
            retried may be among them: they have not ended.
    """
    return f"""
    INSERT INTO run_events (count, service_ids, job_ids, states, lateness_ms, duration_ms,
        finished_at, overlap_wait_ms)
    SELECT count(*), array_agg(service_id), array_agg(job_id), array_agg(state),
        array_agg(lateness_ms), array_agg(duration_ms), array_agg(finished_at),
        array_agg(overlap_wait_ms)
    FROM {runs} WHERE state <> 'retrying' HAVING count(*) > 0
    """


def with_event(update: str) -> str:
    """A statement that ends runs and writes their event.

    Args:
        update: An UPDATE of `runs` without RETURNING.
    """
    return f"WITH ended_runs AS ({update} RETURNING {ENDED}) {event_of('ended_runs')}"


async def waiting_events(driver: Driver) -> int:
    """How many events are not yet folded; many thousands are not told apart."""
    count: int = await driver.fetchval(_WAITING)
    return count
