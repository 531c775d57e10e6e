"""A worker process: Dramatiq's threads take messages, one event loop rings."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any

import dramatiq
import structlog
from dramatiq import BrokerError
from periodiq import PeriodiqMiddleware
from redis.exceptions import RedisError

from commands.firing.finish_attempts import FINISH
from commands.firing.start_attempts import START, START_IN_ORDER
from commands.firing.take_runs import TAKE
from domain.ids import new_id
from domain.schedules.clocks.zones import VERSION
from domain.targets import Allowed
from domain.targets.egress import Egress
from storage.crypto.encryption_keys import EncryptionKeys
from storage.error_kinds import kind_of
from storage.jobs.zone_tables import watch_tables
from storage.postgres.pools import UNREACHABLE
from storage.queue.broker import make_broker
from storage.schema.migrate import until_migrated
from storage.shards import Shard
from storage.tracing.spans import active
from workers.heartbeat import Heartbeat
from workers.housekeeping.actors import declare_housekeeping
from workers.housekeeping.aggregation import AggregationRequests
from workers.housekeeping.sweep import Sweep
from workers.process_health import ProcessHealth
from workers.readiness import asks
from workers.targets.actors import declare_actors
from workers.targets.answer import Ring
from workers.targets.http.transport import Transport
from workers.targets.kinds import Means, Targets
from workers.targets.limits.target_status_publisher import TargetStatusPublisher
from workers.targets.secrets import Secrets
from workers.targets.traced_rings import TracedRings
from workers.worker.actors import declare_ringing
from workers.worker.config import DEFAULTS, WorkerConfig
from workers.worker.lifecycle import Lifecycle
from workers.worker.overlap import OverlapResolver
from workers.worker.recorder import Recorder
from workers.worker.ringer import Ringer
from workers.worker.watches.aborts import AbortWatch
from workers.worker.watches.clock import ClockWatch
from workers.worker.watches.forgotten_runs import ForgottenWatch

log = structlog.get_logger()
HOT = (TAKE.text, START.text, START_IN_ORDER.text, FINISH.text)
"""Statements that are planned before the first run comes."""


class Worker:
    """One worker process of a shard. Make it inside the event loop that runs it.

    Args:
        retention: How long history is kept.
        allowed: What the operator allows targets to be.
        proxy: URL of the HTTP proxy for HTTP targets, if any.
        name_servers: Where names of targets are looked up, if not at the system's.
        keys: The keys that secrets are encrypted with.
        health: Where the process reports its health.
    """

    def __init__(
        self,
        shard: Shard,
        *,
        retention: timedelta,
        allowed: Allowed,
        proxy: str | None,
        name_servers: Sequence[str],
        keys: EncryptionKeys,
        health: ProcessHealth,
        config: WorkerConfig = DEFAULTS,
    ) -> None:
        self._health = health
        self._shard = shard
        self._config = config
        self._id = new_id()
        self._heartbeat = Heartbeat(self._id, "worker", shard.database, health)
        self._broker = make_broker(shard.urls.redis, [PeriodiqMiddleware(skip_delay=30)])
        declare_actors(self._broker)
        means = Means(
            broker=self._broker,
            allowed=allowed,
            transport=Transport(
                allowed.http or Egress(),
                config.concurrency,
                proxy=proxy,
                name_servers=name_servers,
            ),
            keys=keys,
        )
        self._targets = Targets(means, Secrets(shard.database, keys))
        overlap = OverlapResolver(shard, self._id, config)
        self._aggregation = AggregationRequests(shard.queue, config.aggregate_seconds)
        self._recorder = Recorder(
            shard, overlap=overlap, aggregation=self._aggregation, config=config
        )
        self._ringer = Ringer(
            shard,
            self._id,
            self._targets.ring,
            self._recorder,
            config=config,
            health=health,
            overlap=overlap,
            traces=_traces(self._targets.ring, shard),
        )
        self._publisher = TargetStatusPublisher(shard, self._id, self._ringer.owned.limiters)
        self._aborts = AbortWatch(shard, self._id, self._ringer, config)
        self._forgotten = ForgottenWatch(shard, self._id, self._ringer, config)
        declare_ringing(self._broker)
        declare_housekeeping(self._broker)
        sweep = Sweep(shard, self._heartbeat)
        loop = asyncio.get_running_loop()
        self._broker.add_middleware(Lifecycle(loop, shard, self._ringer.intake, sweep, retention))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then stop in order.

        The heartbeat comes first: without one, what this process owns would look abandoned.
        """
        _allow_many_sockets(self._config.concurrency)
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
                    self._aggregation.run,
                    self._publisher.run,
                )
            ]
            await self._shard.database.primary.warm_up(HOT)
            threads = self._start_threads()
            running.append(tasks.create_task(watch_tables(self._shard.database)))
            running.append(tasks.create_task(ClockWatch(self._shard, self._ringer, threads).run()))
            self._health.started(asks(self._shard))
            log.info("worker.started", worker_id=str(self._id), tzdata=VERSION)
            await stop.wait()
            await self._drain(threads)
            for task in running:
                task.cancel()
        await self._targets.close()
        self._broker.close()
        log.info("worker.stopped", worker_id=str(self._id))

    async def _first_beat(self) -> None:
        await until_migrated(self._shard.database)
        await self._heartbeat.begin()

    def _start_threads(self) -> dramatiq.Worker:
        threads = dramatiq.Worker(
            self._broker,
            worker_threads=self._config.threads,
            worker_timeout=self._config.poll_ms,
        )
        threads.start()
        return threads

    async def _drain(self, threads: dramatiq.Worker) -> None:
        seconds = self._config.drain_seconds
        try:
            async with asyncio.timeout(seconds):
                stopped = asyncio.to_thread(threads.stop, timeout=int(seconds * 1_000))
                given_back, _ = await asyncio.gather(self._ringer.stop(), stopped)
                await self._shard.queue.dispatch(given_back)
            await self._heartbeat.stop()
        except TimeoutError:
            log.warning("worker.stopped_with_attempts_under_way")
        except (*UNREACHABLE, RedisError, BrokerError) as error:
            # What could not be given back is rescued when the heartbeat lapses.
            log.warning("worker.not_drained", error=kind_of(error))


def _traces(ring: Ring, shard: Shard) -> TracedRings | None:
    tracing = active()
    return None if tracing is None else TracedRings(tracing, ring, shard.database)


async def _done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return working in done


def _allow_many_sockets(concurrency: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = concurrency * 4
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
