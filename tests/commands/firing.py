"""Jobs and runs in every stage, made by the commands themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from commands.firing.claims.claim_runs import Claim, ClaimRuns, claim_runs
from commands.firing.finish_attempts import EndedAttempt, finish_attempts
from commands.firing.overlap.pass_overlap_lock import pass_free_overlap_locks
from commands.firing.overlap.resolve_overlap import ResolveOverlap, resolve_overlap
from commands.firing.overlap.skip_blocked import SkipBlocked, skip_blocked
from commands.firing.start_attempts import StartAttempts, start_attempts
from commands.firing.take_runs import TakenRun, TakeRuns, take_runs
from commands.jobs.create_job import CreateJob, create_job
from commands.jobs.trigger_job import TriggerJob, trigger_job
from domain.access.caller import Caller
from domain.jobs.job import Job
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from domain.schedules.schedule import Schedule
from domain.targets import Target
from domain.targets.kinds.http import HttpTarget
from storage.postgres.pools import Database
from storage.queue.broker import RunKey
from storage.shards import Shard, Shards

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
SECOND = timedelta(seconds=1)
DUE = NOON + 3 * SECOND
LATER = DUE + 10 * SECOND
TARGET = HttpTarget(url="https://example.com/run")
ALL_OF_THEM = CatchupPolicy(window=3600 * SECOND, coalesce=Coalesce.ALL, limit=1_000)
STEADY = RetryPolicy(max_attempts=3, min_backoff=60 * SECOND, jitter=False)
WORKER, OTHER_WORKER = uuid4(), uuid4()


_BEAT = """
INSERT INTO workers (id, kind, host, pid, started_at, heartbeat_at, tzdata)
VALUES ($1, $2, 'host', 1, clock_timestamp(), clock_timestamp() - $3::interval, $4)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
"""


class Firing:
    """What dispatchers and workers do, with defaults that a test may replace."""

    def __init__(self, shards: Shards, caller: Caller) -> None:
        self.shards = shards
        self.caller = caller

    @property
    def shard(self) -> Shard:
        return self.shards.of(self.caller.service_id)

    @property
    def database(self) -> Database:
        return self.shard.database

    async def job(
        self,
        *,
        now: datetime = NOON,
        retry: RetryPolicy = STEADY,
        overlap: Overlap = Overlap.SKIP,
        catchup: CatchupPolicy = ALL_OF_THEM,
        target: Target = TARGET,
        **spec: Any,
    ) -> Job:
        """A stored job that fires at `DUE`, unless another spec is given."""
        return await create_job(
            CreateJob(
                caller=self.caller,
                name="a job",
                description="",
                tags=[],
                schedule=Schedule(accepted_at=now, **(spec or {"at": DUE})),
                target=target,
                retry=retry,
                overlap=overlap,
                catchup=catchup,
                now=now,
            ),
            self.shards,
        )

    async def claim(
        self, until: datetime = DUE, *, now: datetime = NOON, by: UUID | None = None
    ) -> Claim:
        """What a dispatcher claims of both lanes: what is late, and what is due soon."""
        command = ClaimRuns(dispatcher_id=by or uuid4(), now=now, until=until)
        late = await claim_runs(msgspec.structs.replace(command, late=True), self.database)
        soon = await claim_runs(command, self.database)
        return Claim(late.runs + soon.runs, late.full or soon.full)

    async def scheduled_run(self, **job: Any) -> RunKey:
        """A run that a dispatcher claimed."""
        made = await self.job(**job)
        claimed = {run.id for run in (await self.claim()).runs}
        # Other jobs of the test, withdrawn meanwhile, may be claimed anew with it.
        (run,) = (row for row in await self.runs(made.id) if row["id"] in claimed)
        return run["service_id"], run["id"]

    async def take(self, *runs: RunKey, by: UUID = WORKER, until: datetime = DUE) -> list[TakenRun]:
        command = TakeRuns(worker_id=by, runs=list(runs), now=NOON, until=until)
        return (await take_runs(command, self.database)).runs

    async def queued_run(self, by: UUID = WORKER, **job: Any) -> TakenRun:
        """A run that waits in a worker."""
        (taken,) = await self.take(await self.scheduled_run(**job), by=by)
        return taken

    async def start(self, *runs: TakenRun, by: UUID = WORKER, now: datetime = DUE) -> set[UUID]:
        """Begin attempts, and return the ids of the runs that may ring."""
        command = StartAttempts(worker_id=by, runs=runs, now=now)
        return await start_attempts(command, self.database)

    async def running_run(self, by: UUID = WORKER, **job: Any) -> TakenRun:
        """A run whose first attempt rings."""
        taken = await self.queued_run(by, **job)
        assert await self.start(taken, by=by) == {taken.id}
        return taken

    async def beat(
        self,
        process: UUID,
        *,
        ago: timedelta = timedelta(),
        kind: str = "worker",
        tzdata: str | None = None,
    ) -> None:
        """The last beat of a process, so long ago by the database's clock."""
        await self.rows(_BEAT, process, kind, ago, tzdata)

    async def begin(
        self,
        run: TakenRun,
        *,
        by: UUID = WORKER,
        now: datetime = DUE,
        database: Database | None = None,
    ) -> bool:
        """What a worker does when a run falls due: begin it, or let its overlap policy decide."""
        database = database or self.database
        starting = StartAttempts(worker_id=by, runs=[run], now=now)
        if run.id in await start_attempts(starting, database):
            return True
        skipping = SkipBlocked(worker_id=by, runs=[run], now=now)
        if await skip_blocked(skipping, database):
            return False
        resolving = ResolveOverlap(worker_id=by, run=run, now=now)
        if not await resolve_overlap(resolving, database):
            return False
        return run.id in await start_attempts(starting, database)

    async def triggered(
        self,
        job_id: UUID,
        overlap: Overlap | None = None,
        *,
        by: UUID = OTHER_WORKER,
        now: datetime = LATER,
    ) -> TakenRun:
        """A further run of a job, which waits in a worker."""
        command = TriggerJob(caller=self.caller, job_id=job_id, now=now, overlap=overlap)
        run = await trigger_job(command, self.shards)
        (taken,) = await self.take((self.caller.service_id, run.id), by=by, until=run.due_at)
        return taken

    async def buffered(
        self, job_id: UUID, overlap: Overlap = Overlap.BUFFER_ALL, *, now: datetime = LATER
    ) -> TakenRun:
        """A further run of a busy job, which waits for its turn."""
        run = await self.triggered(job_id, overlap, now=now)
        assert not await self.begin(run, by=OTHER_WORKER, now=now)
        assert (await self.run(run.id))["buffered"]
        return run

    async def pass_overlap_locks(self) -> list[UUID]:
        """The runs whose turn has come."""
        return [run for _, run in await pass_free_overlap_locks(self.database, 100)]

    async def state(self, run_id: UUID) -> str:
        state: str = (await self.run(run_id))["state"]
        return state

    async def finish(self, *attempts: EndedAttempt) -> set[UUID]:
        """Record ended attempts, and return the ids of the runs they were recorded of."""
        return set((await finish_attempts(attempts, self.shard)).states)

    async def retrying_run(self, **job: Any) -> TakenRun:
        """A run whose first attempt failed, a second after it began."""
        taken = await self.running_run(**job)
        assert await self.finish(failed(taken)) == {taken.id}
        return taken

    async def next_attempt(self, run: TakenRun, *, by: UUID = WORKER) -> TakenRun:
        """The next attempt of a retrying run, claimed, taken and begun when it is due."""
        due_at = (await self.run(run.id))["due_at"]
        await self.claim(due_at, now=due_at)
        (taken,) = await self.take((run.service_id, run.id), by=by, until=due_at)
        assert await self.start(taken, by=by, now=due_at) == {taken.id}
        return taken

    async def run(self, run_id: UUID) -> asyncpg.Record:
        (row,) = await self.rows("SELECT * FROM runs WHERE id = $1", run_id)
        return row

    async def runs(self, job_id: UUID) -> list[asyncpg.Record]:
        """A job's runs, oldest first."""
        return await self.rows(
            "SELECT * FROM runs WHERE job_id = $1 ORDER BY scheduled_for", job_id
        )

    async def outcomes(self, run_id: UUID) -> list[str]:
        """How the attempts of a run ended, in order."""
        rows = await self.rows(
            "SELECT outcome FROM attempts WHERE run_id = $1 ORDER BY number", run_id
        )
        return [row["outcome"] for row in rows]

    async def job_row(self, job_id: UUID) -> asyncpg.Record:
        (row,) = await self.rows("SELECT * FROM jobs WHERE id = $1", job_id)
        return row

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.database.driver() as driver:
            return list(await driver.fetch(statement, *arguments))


def ended(run: TakenRun, outcome: Outcome, *, by: UUID = WORKER, draw: float = 1.0) -> EndedAttempt:
    """An attempt that began when it was due and took a second."""
    return EndedAttempt(
        service_id=run.service_id,
        job_id=run.job_id,
        run_id=run.id,
        scheduled_for=run.scheduled_for,
        held_by=by,
        number=run.number,
        first_started_at=run.first_started_at,
        started_at=run.due_at,
        finished_at=run.due_at + SECOND,
        outcome=outcome,
        retry=run.retry,
        draw=draw,
    )


def failed(run: TakenRun, *, by: UUID = WORKER) -> EndedAttempt:
    return ended(run, Outcome.FAILED, by=by)


def succeeded(run: TakenRun, *, by: UUID = WORKER) -> EndedAttempt:
    return ended(run, Outcome.SUCCEEDED, by=by)


def instants_of(rows: Iterable[Any]) -> list[datetime]:
    return [row["scheduled_for"] for row in rows]
