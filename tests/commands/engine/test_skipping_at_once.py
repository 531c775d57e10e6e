"""Runs of several jobs that their overlap policy skips end by one statement."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from commands.firing.overlap.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.firing.overlap.skip_blocked import SkipBlocked, skip_blocked
from commands.firing.take_runs import TakenRun
from domain.policies.overlap import Overlap
from storage.postgres.pools import Database, Driver
from tests.commands.firing import LATER, OTHER_WORKER, SECOND, WORKER, Firing, succeeded

COUNT = 5
IGNORED = {"id", "job_id", "scheduled_for", "due_at", "generation"}


class Counting:
    """The tests' database, which counts what is asked of Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.round_trips = 0

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[Driver]:
        async with self._database.driver() as driver:
            with driver.query_logger(self._count):  # type: ignore[attr-defined]
                yield driver

    async def _count(self, _: asyncpg.connection.LoggedQuery) -> None:
        self.round_trips += 1


@pytest.fixture
def counting(firing: Firing) -> Counting:
    return Counting(firing.database)


async def blocked(firing: Firing, overlap: Overlap = Overlap.SKIP, **job: object) -> TakenRun:
    """A second run of a job whose first one rings, which its worker could not begin."""
    rings = await firing.running_run(**job)
    run = await firing.triggered(rings.job_id, overlap)
    assert await firing.start(run, by=OTHER_WORKER, now=LATER) == set()
    return run


async def skip(firing: Firing, *runs: TakenRun, database: Database | None = None) -> set[object]:
    command = SkipBlocked(worker_id=OTHER_WORKER, runs=runs, now=LATER)
    return {*await skip_blocked(command, database or firing.database)}


async def left_of(firing: Firing, runs: Sequence[TakenRun]) -> list[dict[str, object]]:
    rows = [dict(await firing.run(run.id)) for run in runs]
    return [{name: row[name] for name in row.keys() - IGNORED} for row in rows]


async def test_all_of_a_batch_take_one_round_trip_and_end_as_each_would_alone(
    firing: Firing, counting: Counting
):
    runs = [await blocked(firing) for _ in range(COUNT)]
    alone = await blocked(firing)
    assert await skip(firing, *runs, database=counting) == {run.id for run in runs}  # type: ignore[arg-type]
    assert counting.round_trips == 1
    resolving = ResolveOverlap(worker_id=OTHER_WORKER, run=alone, now=LATER)
    assert not await resolve_overlap(resolving, counting)  # type: ignore[arg-type]
    assert counting.round_trips == 1 + 8  # with its BEGIN and COMMIT
    (one,) = await left_of(firing, [alone])
    assert await left_of(firing, runs) == [one] * COUNT
    assert one["state"] == "skipped_overlap"
    events = await firing.rows("SELECT count, states FROM run_events ORDER BY id DESC LIMIT 2")
    assert [(row["count"], set(row["states"])) for row in events] == [
        (1, {"skipped_overlap"}),
        (COUNT, {"skipped_overlap"}),
    ]


@pytest.mark.parametrize("overlap", [one for one in Overlap if one is not Overlap.SKIP])
async def test_a_run_of_another_policy_is_left_to_that(firing: Firing, overlap: Overlap):
    rings = await firing.running_run()
    run = await firing.triggered(rings.job_id, overlap)
    assert await skip(firing, run) == set()
    assert await firing.state(run.id) == "queued"


async def test_a_run_is_left_whose_policy_was_changed_when_it_was_in_hand(firing: Firing):
    run = await blocked(firing)
    await firing.rows("UPDATE runs SET overlap = 'buffer_all' WHERE id = $1", run.id)
    assert await skip(firing, run) == set()


async def test_a_run_is_left_when_the_other_has_ended(firing: Firing):
    rings = await firing.running_run()
    run = await firing.triggered(rings.job_id)
    await firing.finish(succeeded(rings))
    assert await skip(firing, run) == set()
    assert await firing.begin(run, by=OTHER_WORKER, now=LATER)


async def test_a_run_that_has_the_lock_itself_is_left(firing: Firing):
    run = await firing.retrying_run()
    due_at = (await firing.run(run.id))["due_at"]
    await firing.claim(due_at, now=due_at)
    (again,) = await firing.take((run.service_id, run.id), by=OTHER_WORKER, until=due_at)
    assert await skip(firing, again) == set()
    assert await firing.state(run.id) == "queued"


async def test_a_run_that_has_begun_after_all_is_left(firing: Firing):
    run = await firing.running_run(by=OTHER_WORKER)
    assert await skip(firing, run) == set()
    assert await firing.state(run.id) == "running"


async def test_a_run_of_another_worker_is_left(firing: Firing):
    run = await blocked(firing)
    command = SkipBlocked(worker_id=WORKER, runs=[run], now=LATER)
    assert await skip_blocked(command, firing.database) == set()


async def test_a_run_that_counts_towards_a_number_of_runs_is_left(firing: Firing):
    run = await blocked(firing, every=60 * SECOND, max_runs=1)
    assert await skip(firing, run) == set()


async def test_a_job_that_somebody_changes_holds_up_nobody(
    firing: Firing, other_database: Database
):
    held, free = await blocked(firing), await blocked(firing)
    async with other_database.driver() as driver, driver.transaction():
        await driver.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", held.job_id)
        assert await skip(firing, held, free) == {free.id}
    assert await skip(firing, held) == {held.id}
