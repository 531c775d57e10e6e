"""A worker process: Dramatiq's threads take messages, one event loop rings."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Collection, Coroutine, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import dramatiq
import structlog
from dramatiq.brokers.redis import RedisBroker
from periodiq import PeriodiqMiddleware

from commands.finish_attempts import FINISH
from commands.pass_turns import pass_turns
from commands.start_attempts import START, START_IN_ORDER
from commands.take_runs import TAKE
from domain.egress import Egress
from domain.ids import new_id
from domain.schedules.zones import VERSION
from storage.error_kinds import kind_of
from storage.key_ring import KeyRing
from storage.migrate import until_migrated
from storage.queue import make_broker
from storage.shards import Shard
from storage.tracing import active
from storage.zone_tables import watch_tables
from workers.dispatcher.process import TROUBLE
from workers.heartbeat import Heartbeat
from workers.housekeeping.aggregation import FoldRequests
from workers.housekeeping.sweep import Sweep
from workers.process_health import Vitals
from workers.readiness import asks
from workers.targets.actors import declare_actors
from workers.targets.kinds import Targets
from workers.targets.limits.target_status_publisher import Teller
from workers.targets.secrets import Secrets
from workers.targets.traced_rings import TracedRings
from workers.targets.transport import Transport
from workers.worker.actors import declare_housekeeping, declare_ringing
from workers.worker.attempts import Ring
from workers.worker.intake import CONCURRENCY, Ringer
from workers.worker.recorder import Recorder
from workers.worker.watches.aborts import AbortWatch
from workers.worker.watches.clock import ClockWatch
from workers.worker.watches.forgotten_runs import ForgottenWatch

log = structlog.get_logger()
HOT = (TAKE, START, START_IN_ORDER, FINISH)
"""Statements that are planned before the first run comes."""
THREADS = 4
POLL_MS = 250
DRAIN_SECONDS = 25.0
"""A worker that is asked to stop lets attempts under way end for so long."""


class Worker:
    """One worker process of a shard.

    Args:
        retention: How long history is kept.
        egress: Where targets may lie.
        proxy: Through which HTTP targets are called, if any.
        name_servers: Where names of targets are looked up, if not at the system's.
        actors: Names of the actors that may be rung.
        ring: What secrets are encrypted with.
        vitals: What is to know how the process fares.
    """

    def __init__(
        self,
        shard: Shard,
        *,
        retention: timedelta,
        egress: Egress,
        proxy: str | None,
        name_servers: Sequence[str],
        actors: Sequence[str],
        ring: KeyRing,
        vitals: Vitals,
    ) -> None:
        self._vitals = vitals
        self._shard = shard
        self._id = new_id()
        self._heartbeat = Heartbeat(self._id, "worker", shard.database, vitals)
        self._broker = make_broker(shard.urls.redis, [PeriodiqMiddleware(skip_delay=30)])
        declare_actors(self._broker)
        self._targets = Targets(
            self._broker,
            actors=actors,
            transport=Transport(egress, CONCURRENCY, proxy=proxy, name_servers=name_servers),
            secrets=Secrets(shard.database, ring),
            ring=ring,
        )
        self._folds = FoldRequests(shard.queue)
        self._recorder = Recorder(shard, self._pass_turns, self._folds.runs_ended)
        traced = _traced(self._targets.ring, shard)
        self._ringer = Ringer(
            shard.database,
            self._id,
            traced.ring if traced else self._targets.ring,
            self._recorder,
            vitals=vitals,
            on_taken=traced.taken if traced else None,
        )
        self._teller = Teller(shard, self._id, self._ringer.gates)
        self._aborts = AbortWatch(shard, self._id, self._ringer)
        self._forgotten = ForgottenWatch(shard, self._id, self._ringer)
        declare_ringing(self._broker, self._ringer, shard)
        declare_housekeeping(self._broker, shard, Sweep(shard, self._heartbeat), retention)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then let go in order.

        The heartbeat comes first: what a process holds before its first beat looks abandoned.
        """
        _allow_many_sockets()
        if not await _done_before(stop, self._first_beat()):
            return
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(work())
                for work in (
                    self._heartbeat.run,
                    self._ringer.run,
                    self._recorder.run,
                    self._aborts.run,
                    self._forgotten.run,
                    self._folds.run,
                    self._teller.run,
                )
            ]
            await self._shard.database.primary.warm_up(HOT)
            threads = _start_threads(self._broker)
            running.append(tasks.create_task(watch_tables(self._shard.database)))
            running.append(tasks.create_task(ClockWatch(self._shard, self._ringer, threads).run()))
            self._vitals.started(asks(self._shard))
            log.info("worker.started", worker_id=str(self._id), tzdata=VERSION)
            await stop.wait()
            await self._drain(threads)
            for task in running:
                task.cancel()
        await self._targets.close()
        self._broker.close()
        log.info("worker.stopped", worker_id=str(self._id))

    async def _pass_turns(self, jobs: Collection[tuple[UUID, UUID]]) -> None:
        try:
            runs = await pass_turns(self._shard.database, jobs)
            await self._shard.queue.hand_over(runs)
        except TROUBLE as error:
            log.warning("worker.turns_not_passed", error=kind_of(error))

    async def _first_beat(self) -> None:
        await until_migrated(self._shard.database)
        await self._heartbeat.begin()

    async def _drain(self, threads: dramatiq.Worker) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                stopped = asyncio.to_thread(threads.stop, timeout=int(DRAIN_SECONDS * 1_000))
                given_back, _ = await asyncio.gather(self._ringer.stop(), stopped)
                await self._shard.queue.hand_over(given_back)
            await self._heartbeat.stop()
        except TimeoutError:
            log.warning("worker.stopped_with_attempts_under_way")
        except TROUBLE as error:
            # What could not be given back now is rescued when the heartbeat lapses.
            log.warning("worker.not_drained", error=kind_of(error))


def _traced(ring: Ring, shard: Shard) -> TracedRings | None:
    tracing = active()
    return None if tracing is None else TracedRings(tracing, ring, shard.database)


async def _done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return working in done


def _start_threads(broker: RedisBroker) -> dramatiq.Worker:
    threads = dramatiq.Worker(broker, worker_threads=THREADS, worker_timeout=POLL_MS)
    threads.start()
    return threads


def _allow_many_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONCURRENCY * 4
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
