"""A target that is a function, and jobs that are due at this very moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from commands.firing.take_runs import TakenRun
from domain.ids import run_id
from domain.jobs.job import Job
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from domain.targets import Target
from storage.queue.broker import RunKey
from tests.commands.firing import NOON, TARGET, Firing
from workers.targets.kinds.http import Answer


class Bell:
    """Remembers what was rung and when; an attempt ends when the bell is silenced."""

    def __init__(self) -> None:
        self.rung: list[tuple[TakenRun, datetime]] = []
        self.cut_off: list[UUID] = []
        self._changed = asyncio.Condition()
        self._silenced = asyncio.Event()
        self._silenced.set()

    def keep_ringing(self) -> None:
        """Let attempts go on until the bell is silenced."""
        self._silenced.clear()

    def silence(self) -> None:
        """End what rings, successfully."""
        self._silenced.set()

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        self.rung.append((run, started_at))
        async with self._changed:
            self._changed.notify_all()
        try:
            await self._silenced.wait()
        except asyncio.CancelledError:
            self.cut_off.append(run.id)
            raise
        return Answer(outcome=Outcome.SUCCEEDED, status_code=200)

    async def rings(self, times: int) -> None:
        """Return when so many attempts have begun."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.rung) >= times)


def now() -> datetime:
    return datetime.now(UTC)


def waiting_run(
    due: float,
    *,
    job: int = 0,
    version: int = 1,
    overlap: Overlap = Overlap.ALLOW_ALL,
    service: int = 1,
    target: Target = TARGET,
) -> TakenRun:
    """A run that is due so many seconds from noon."""
    due_at = NOON + timedelta(seconds=due)
    job_id = UUID(int=job)
    return TakenRun(
        service_id=UUID(int=service),
        job_id=job_id,
        id=run_id(job_id, due_at),
        scheduled_for=due_at,
        due_at=due_at,
        number=1,
        first_started_at=None,
        job_name="a job",
        job_version=version,
        target=target,
        retry=RetryPolicy(),
        overlap=overlap,
        signing_secrets=[],
    )


async def due_in(firing: Firing, seconds: float, **job: Any) -> tuple[Job, RunKey]:
    """A job whose run is claimed and due so many seconds from now."""
    at = now() + timedelta(seconds=seconds)
    made = await firing.job(at=at, now=at - timedelta(seconds=1), **job)
    await firing.claim(at, now=now())
    return made, (firing.caller.service_id, run_id(made.id, at))


async def state_of(firing: Firing, key: RunKey) -> str:
    state: str = (await firing.run(key[1]))["state"]
    return state
