"""Whatever happens to jobs in whatever order: a state machine over the commands and the ledger.

Time is virtual: every command is told what time it is. Ids are random, and jitter is a hash of
them, so which rules may follow must not depend on what happened: hence no preconditions.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from commands.firing.claims.claim_runs import ClaimRuns, claim_runs
from commands.firing.finish_attempts import EndedAttempt, finish_attempts
from commands.firing.miss_runs import MissRuns, is_late, miss_runs
from commands.firing.overlap.pass_overlap_lock import pass_free_overlap_locks
from commands.firing.rescue_runs import RescueRuns, rescue_runs
from commands.firing.take_runs import TakenRun, TakeRuns, take_runs
from commands.jobs.create_job import CreateJob, create_job
from commands.jobs.resume_job import ResumeJob, resume_job
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from commands.runs.cancel_runs import CancelRun, cancel_run
from domain.access.caller import Caller
from domain.access.keys import service_of
from domain.errors import Conflict
from domain.policies.catchup import CatchupPolicy, Coalesce, Outcome
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome as AttemptOutcome
from domain.schedules.edited import counted_after, names_alike
from domain.schedules.schedule import Exclusion, Schedule
from storage.shards import Shards
from tests.commands.changing import pause, trigger, update
from tests.commands.firing import NOON, SECOND, TARGET, WORKER, Firing
from tests.commands.ledger_model import Allowed, Era, JobModel
from tests.commands.telling import ledger
from tests.conftest import STORED

T = TypeVar("T")
AHEAD = 20 * SECOND
RETRY = RetryPolicy(max_attempts=2, min_backoff=5 * SECOND, jitter=False)

POLICIES = st.builds(
    CatchupPolicy,
    window=st.sampled_from([0 * SECOND, 15 * SECOND, 60 * SECOND, 3_600 * SECOND]),
    coalesce=st.sampled_from(Coalesce),
    limit=st.integers(1, 4),
)
SPECS = st.fixed_dictionaries(
    {
        "every": st.sampled_from([5 * SECOND, 7 * SECOND, 20 * SECOND]),
        "exclude": st.sampled_from(
            [(), (), (Exclusion(every=15 * SECOND),), (Exclusion(cron="*/2 * * * *"),)]
        ),
        "max_runs": st.sampled_from([None, 2, 4]),
        "jitter": st.sampled_from([0 * SECOND, 0 * SECOND, 3 * SECOND]),
    }
)
OVERLAPS = st.sampled_from(Overlap)
NUMBERS = st.integers(0, 20)
JOBS = 2


class World:
    """The servers and the loop that all examples share."""

    def __init__(self, shards: Shards, runner: asyncio.Runner) -> None:
        self.shards = shards
        self.runner = runner


class LedgerMachine(RuleBasedStateMachine):
    """One service with a few jobs, a dispatcher that is often away and a worker that may die."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.now = NOON
        self.taken: list[TakenRun] = []
        self.rings: dict[UUID, TakenRun] = {}
        self.jobs: list[JobModel] = []

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.world.runner.run(work)

    @initialize(
        specs=st.lists(SPECS, min_size=JOBS, max_size=JOBS),
        policies=st.lists(POLICIES, min_size=JOBS, max_size=JOBS),
        overlaps=st.lists(OVERLAPS, min_size=JOBS, max_size=JOBS),
    )
    def create(
        self,
        specs: list[dict[str, Any]],
        policies: list[CatchupPolicy],
        overlaps: list[Overlap],
    ) -> None:
        named = BootstrapKey(service_name=f"test-{uuid4()}", now=self.now)
        service_id = service_of(self.wait(bootstrap_key(named, self.world.shards)))
        assert service_id is not None
        caller = Caller(service_id=service_id, principal="key:test", request_id="test")
        self.firing = Firing(self.world.shards, caller)
        for spec, catchup, overlap in zip(specs, policies, overlaps, strict=True):
            command = CreateJob(
                caller=caller,
                name="a job",
                description="",
                tags=[],
                schedule=Schedule(accepted_at=self.now, **spec),
                target=TARGET,
                retry=RETRY,
                overlap=overlap,
                catchup=catchup,
                now=self.now,
            )
            job = self.wait(create_job(command, self.world.shards))
            self.jobs.append(JobModel(job.id, [Era(job.schedule, self.now - SECOND / 1_000_000)]))
        self.look()

    def teardown(self) -> None:
        for table in STORED:
            self.wait(self.rows(f"DELETE FROM {table}"))

    # Time, and what dispatchers and workers do.

    @rule(seconds=st.integers(1, 40))
    def advance(self, seconds: int) -> None:
        self.now += seconds * SECOND
        self.look(*((job, job.advanced) for job in self.jobs))

    @rule(lanes=st.sampled_from([(False,), (True,), (True, False)]))
    def claim(self, lanes: tuple[bool, ...]) -> None:
        for late in lanes:
            command = ClaimRuns(
                dispatcher_id=uuid4(), now=self.now, until=self.now + AHEAD, late=late
            )
            self.wait(claim_runs(command, self.firing.database))
            self.look(*((job, job.claimed(self.now)) for job in self.jobs))

    @rule(seconds=st.integers(1, 12))
    def tick(self, seconds: int) -> None:
        """All is well for a while: what is due is claimed, taken and begun."""
        self.advance(seconds)
        self.claim((True, False))
        self.take()
        self.begin_all()

    @rule()
    def take(self) -> None:
        """A worker takes all that is due, as if every message had come."""
        waiting = self.wait(
            self.rows(
                "SELECT service_id, id FROM runs WHERE open AND due_at <= $1 AND NOT buffered "
                "AND state IN ('scheduled', 'retrying') ORDER BY due_at",
                self.now,
            )
        )
        if waiting:
            keys = [(row["service_id"], row["id"]) for row in waiting]
            command = TakeRuns(worker_id=WORKER, runs=keys, now=self.now, until=self.now)
            self.taken += self.wait(take_runs(command, self.firing.database)).runs
        self.look()

    @rule(number=NUMBERS)
    def begin(self, number: int) -> None:
        if not self.taken:
            return
        run = self.taken.pop(number % len(self.taken))
        job = self.job_of(run.job_id)
        missing = MissRuns(worker_id=WORKER, runs=[run], now=self.now)
        if is_late(run, self.now) and self.wait(miss_runs(missing, self.firing.database)):
            self.look((job, job.began))
            return
        if self.wait(self.firing.begin(run, now=self.now)):
            self.rings[run.id] = run
            if self.wait(self.firing.run(run.id))["trigger"] == "schedule":
                job.begun.add(run.scheduled_for)
        self.look((job, job.began))

    def begin_all(self) -> None:
        for _ in range(len(self.taken)):
            self.begin(0)

    @rule(number=NUMBERS, succeeds=st.booleans())
    def finish(self, number: int, *, succeeds: bool) -> None:
        if not self.rings:
            return
        run = self.rings.pop(sorted(self.rings)[number % len(self.rings)])
        attempt = EndedAttempt(
            service_id=run.service_id,
            job_id=run.job_id,
            run_id=run.id,
            scheduled_for=run.scheduled_for,
            held_by=WORKER,
            number=run.number,
            first_started_at=run.first_started_at,
            started_at=self.now,
            finished_at=self.now,
            outcome=AttemptOutcome.SUCCEEDED if succeeds else AttemptOutcome.FAILED,
            retry=run.retry,
            draw=1.0,
        )
        self.wait(finish_attempts([attempt], self.firing.shard))
        self.look()

    @rule()
    def crash(self) -> None:
        """The worker dies with all that it holds, and a sweep finds out."""
        self.taken, self.rings = [], {}
        command = RescueRuns(now=self.now)
        self.wait(rescue_runs(command, self.firing.shard))
        self.look()

    @rule()
    def pass_overlap_locks(self) -> None:
        waiting = defaultdict(list)
        for row in self.wait(
            self.rows("SELECT job_id, id FROM runs WHERE buffered ORDER BY due_at, id")
        ):
            waiting[row["job_id"]].append(row["id"])
        passed = [run for _, run in self.wait(pass_free_overlap_locks(self.firing.database, 100))]
        longest = {runs[0] for runs in waiting.values()}
        assert set(passed) <= longest
        self.look()

    # What the service does.

    @rule(number=NUMBERS)
    def pause(self, number: int) -> None:
        job = self.nth(number)
        try:
            self.wait(pause(self.world.shards, self.firing.caller, job.id, self.now))
        except Conflict:
            return  # it has no fire time left
        job.paused = True
        self.look((job, job.stopped(Outcome.PAUSED)))

    @rule(catch_up=st.booleans(), number=NUMBERS)
    def resume(self, number: int, *, catch_up: bool) -> None:
        paused = [job for job in self.jobs if job.paused]
        if not paused:
            return
        job = paused[number % len(paused)]
        command = ResumeJob(
            caller=self.firing.caller, job_id=job.id, now=self.now, catch_up=catch_up
        )
        self.wait(resume_job(command, self.world.shards))
        job.paused = False
        self.look((job, job.left_to_catch_up if catch_up else job.nothing))

    @rule(number=NUMBERS, spec=SPECS)
    def edit_schedule(self, number: int, spec: dict[str, Any]) -> None:
        job = self.nth(number)
        self.advance_to(self.now + SECOND / 100)  # no fire time is at the instant of an edit
        schedule = Schedule(accepted_at=self.now, **spec)
        if names_alike(schedule, job.era.schedule):
            self.update(job, schedule=schedule)
            self.look()
            return
        job.new_era(self.update(job, schedule=schedule), self.now)
        job.most_so_far = self.wait(self.firing.job_row(job.id))["run_count"]
        self.look((job, job.edited))

    @rule(number=NUMBERS, overlap=OVERLAPS)
    def edit_overlap(self, number: int, overlap: Overlap) -> None:
        self.update(self.nth(number), overlap=overlap)
        self.look()

    @rule(number=NUMBERS, policy=POLICIES)
    def edit_catchup(self, number: int, policy: CatchupPolicy) -> None:
        self.update(self.nth(number), catchup=policy)
        self.look()

    @rule(number=NUMBERS)
    def trigger(self, number: int) -> None:
        between = self.now + timedelta(milliseconds=1)
        self.wait(trigger(self.world.shards, self.firing.caller, self.nth(number).id, between))
        self.look()

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        self.cancel_one("scheduled_for <= $1", number)

    @rule(number=NUMBERS)
    def cancel_ahead(self, number: int) -> None:
        """A run is cancelled before its fire time comes."""
        self.claim((True, False))
        self.cancel_one("scheduled_for > $1", number)

    def cancel_one(self, which: str, number: int) -> None:
        runs = self.wait(
            self.rows(
                f"SELECT id, job_id, scheduled_for, trigger, attempt_count FROM runs "
                f"WHERE open AND {which} ORDER BY due_at, id",
                self.now,
            )
        )
        if not runs:
            return
        run = runs[number % len(runs)]
        command = CancelRun(caller=self.firing.caller, run_id=run["id"], now=self.now)
        self.wait(cancel_run(command, self.world.shards))
        job = self.job_of(run["job_id"])
        if run["trigger"] == "schedule" and run["attempt_count"] == 0:
            job.cancelled.add(run["scheduled_for"])
        self.look((job, job.lost_runs))

    # What holds after every step.

    def look(self, *changed: tuple[JobModel, Allowed]) -> None:
        allowed = {job.id: rule for job, rule in changed}
        for job in self.jobs:
            row = self.wait(self.firing.job_row(job.id))
            entries = self.wait(ledger(self.firing, job.id, self.now))
            job.compare(
                entries,
                now=self.now,
                position=job.position(self.now, row["accounted_to"], row["run_count"]),
                allowed=allowed.get(job.id, job.nothing),
            )
            self.look_at_runs(job, row)

    def look_at_runs(self, job: JobModel, row: asyncpg.Record) -> None:
        runs = self.wait(self.firing.runs(job.id))
        ringing = [run for run in runs if run["state"] == "running"]
        assert sum(run["overlap"] != Overlap.ALLOW_ALL for run in ringing) <= 1
        most = job.era.schedule.max_runs
        counted = [
            run
            for run in runs
            if run["trigger"] == "schedule"
            and run["scheduled_for"] > counted_after(job.era.schedule)
            and run["scheduled_for"] not in job.inherited
            and run["state"] not in ("skipped_overlap", "missed")
        ]
        assert most is None or len(counted) <= max(most, job.most_so_far)
        if row["next_fire_for"] is None and not job.paused:
            assert len(counted) >= (most or 0) > 0  # or it has come to its end too early

    def advance_to(self, instant: datetime) -> None:
        self.now = instant
        self.look(*((job, job.advanced) for job in self.jobs))

    def update(self, job: JobModel, **changes: Any) -> Schedule:
        updated = update(self.world.shards, self.firing.caller, job.id, self.now, **changes)
        return self.wait(updated).schedule

    def nth(self, number: int) -> JobModel:
        return self.jobs[number % len(self.jobs)]

    def job_of(self, job_id: UUID) -> JobModel:
        return next(job for job in self.jobs if job.id == job_id)

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.world.shards.all()[0].database.driver() as driver:
            return list(await driver.fetch(statement, *arguments))
