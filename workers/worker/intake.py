"""Takes dispatched runs from Postgres into the fair queue, as far as there is room."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

import structlog

from commands.firing.give_back_runs import GiveBackRuns, give_back_runs
from commands.firing.take_runs import TakeRuns, take_runs
from storage.error_kinds import kind_of
from storage.postgres.clock_offset import read_clocks
from storage.postgres.pools import UNREACHABLE, Database
from storage.queue.broker import RunKey
from storage.shards import LOOK_AHEAD
from workers.targets.traced_rings import TracedRings
from workers.worker.config import WorkerConfig
from workers.worker.owned_runs import OwnedRuns

log = structlog.get_logger()


class Intake:
    """The first step of a run in a worker process.

    Args:
        traces: Finds the traces of taken runs well before they ring, if runs are traced.
    """

    def __init__(
        self,
        database: Database,
        worker_id: UUID,
        owned: OwnedRuns,
        *,
        config: WorkerConfig,
        traces: TracedRings | None = None,
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._owned = owned
        self._config = config
        self._traces = traces

    async def take(self, runs: list[RunKey], *, ahead: bool = False) -> list[RunKey]:
        """Own dispatched runs; return when Postgres knows it.

        Waits while there is no room. A take whose answer was lost is repeated.

        Args:
            ahead: Do not wait for room: the runs are urgent.

        Returns:
            Runs to dispatch again: the worker stops, too many takes wait already, or the clock of
            this process is wrong.
        """
        if not ahead and not await self._owned.backpressure.wait_for_room():
            return runs
        has_asked = False  # Postgres may know that this worker owns them, though it did not answer
        while not self._owned.is_stopping:
            moment = read_clocks()
            if self._database.clock.trouble(moment):
                await asyncio.sleep(self._config.wrong_clock_seconds)
                if has_asked:
                    continue
                return runs
            has_asked = True
            before = self._owned.memory.released
            try:
                runs = await self._owned.decide(self._take(runs, moment.wall))
            except UNREACHABLE as error:
                log.warning("ringer.take_failed", error=kind_of(error))
                await asyncio.sleep(self._config.retry_seconds)
            else:
                if not runs or not await self._owned.backpressure.wait_for_bytes(before):
                    return runs
                has_asked = False
        return runs

    async def give_back(self) -> list[RunKey]:
        """Disown the queued runs.

        Returns:
            The runs, to dispatch to another worker.
        """
        waiting = self._owned.clear_queue()
        keys = [(run.service_id, run.id) for run in waiting]
        command = GiveBackRuns(worker_id=self._worker_id, runs=keys)
        try:
            given_back = await give_back_runs(command, self._database) if keys else []
        except BaseException:
            self._owned.add(waiting)
            raise
        self._owned.show_room()
        return given_back

    async def _take(self, runs: list[RunKey], now: datetime) -> list[RunKey]:
        """Take the runs that fit; return the others."""
        rooms = self._owned.memory.reserve(runs)
        command = TakeRuns(
            worker_id=self._worker_id, runs=runs, now=now, until=now + LOOK_AHEAD, rooms=rooms
        )
        self._owned.take_begins(runs)
        try:
            taken = await take_runs(command, self._database)
            if self._traces is not None:
                await self._traces.look_up(taken.runs)
        finally:
            self._owned.take_ends(runs)
            self._owned.memory.unreserve(rooms)
        self._owned.add(taken.runs)
        return taken.left
