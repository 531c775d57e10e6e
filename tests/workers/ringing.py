"""A target that is a function, and jobs that are due at this very moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from commands.take_runs import TakenRun
from domain.ids import run_id
from domain.job import Job
from domain.run import Outcome
from storage.queue import RunKey
from tests.commands.firing import Firing
from workers.targets.http import Answer


class Bell:
    """Remembers what was rung and when; an attempt ends when the bell is silenced."""

    def __init__(self) -> None:
        self.rung: list[tuple[TakenRun, datetime]] = []
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
        await self._silenced.wait()
        return Answer(outcome=Outcome.SUCCEEDED, status_code=200)

    async def rings(self, times: int) -> None:
        """Return when so many attempts have begun."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.rung) >= times)


def now() -> datetime:
    return datetime.now(UTC)


async def due_in(firing: Firing, seconds: float) -> tuple[Job, RunKey]:
    """A job whose run is claimed and due so many seconds from now."""
    at = now() + timedelta(seconds=seconds)
    job = await firing.job(at=at, now=at - timedelta(seconds=1))
    await firing.claim(at, now=now())
    return job, (firing.caller.service_id, run_id(job.id, at))


async def state_of(firing: Firing, key: RunKey) -> str:
    state: str = (await firing.run(key[1]))["state"]
    return state
