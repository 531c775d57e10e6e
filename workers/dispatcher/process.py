"""A dispatcher process: claims runs ahead, and dispatches them shortly before they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from dramatiq import BrokerError
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from commands.backfills.continue_backfills import continue_backfills
from commands.firing.claims.claim_runs import ClaimedRun, ClaimRuns, claim_runs
from domain.schedules.clocks.zones import VERSION
from storage.error_kinds import kind_of
from storage.jobs.zone_tables import watch_tables
from storage.postgres.clock_offset import MOST_OFFSET, ClockAhead, Moment, read_clocks
from storage.postgres.listen import listen
from storage.postgres.pools import UNREACHABLE
from storage.queue.broker import FEW, MAX_DEPTH
from storage.runs.claimable import ClaimShares
from storage.schema.migrate import until_migrated
from storage.shards import LOOK_AHEAD, WAKE_CHANNEL, Shard
from workers.dispatcher.calendars import Calendars
from workers.dispatcher.claimed_buffer import ClaimedBuffer
from workers.dispatcher.config import DEFAULTS, DispatcherConfig
from workers.dispatcher.gauges import measure, measure_redis
from workers.dispatcher.zone_keeper import ZoneKeeper
from workers.heartbeat import Heartbeat
from workers.housekeeping.sweep import Sweep
from workers.process_health import ProcessHealth
from workers.readiness import asks

log = structlog.get_logger()
CLAIMED = Counter("tocsin_claimed_runs_total", "Runs that dispatchers claimed.")
DISPATCHED = Counter("tocsin_handed_over_runs_total", "Runs that dispatchers sent to workers.")
BUFFERED = Gauge(
    "tocsin_dispatcher_held_runs",
    "Claimed runs that wait in a dispatcher.",
    multiprocess_mode="livesum",
)

FOR_EVER = datetime.max.replace(tzinfo=UTC)
TROUBLE = (*UNREACHABLE, RedisError, BrokerError)


class Dispatcher:
    """Any number of dispatchers share a shard without a leader.

    Args:
        most_offset: A claim is refused if its `now` is so much later than the database's; None
            refuses none.
    """

    def __init__(
        self,
        shard: Shard,
        process_id: UUID,
        health: ProcessHealth | None = None,
        *,
        most_offset: timedelta | None = MOST_OFFSET,
        config: DispatcherConfig = DEFAULTS,
    ) -> None:
        self._config = config
        self._shard = shard
        self._id = process_id
        self._most_offset = most_offset
        self._health = health or ProcessHealth()
        self._heartbeat = Heartbeat(process_id, "dispatcher", shard.database, self._health)
        self._buffer = ClaimedBuffer()
        self._sweep = Sweep(shard, self._heartbeat, self._buffer)
        self._zones = ZoneKeeper(shard, process_id)
        # Whether the last claim, on time or late, was full: services share the next one then.
        self._was_full = {False: False, True: False}
        self._is_queue_full = False
        self._woken = asyncio.Event()
        self._claimed = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        await until_migrated(self._shard.database)
        await self._heartbeat.begin()  # nothing is claimed before it has measured the clock
        self._health.started(asks(self._shard))
        await self._zones.begin()
        config = self._config
        log.info("dispatcher.started", dispatcher_id=str(self._id), tzdata=VERSION)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._heartbeat.run())
            tasks.create_task(self._zones.run())
            tasks.create_task(watch_tables(self._shard.database))
            tasks.create_task(listen(self._shard.urls.primary, WAKE_CHANNEL, self._wake))
            tasks.create_task(self._keep_claiming())
            tasks.create_task(self._keep_catching_up())
            tasks.create_task(self._keep_dispatching())
            tasks.create_task(self._every(config.resend_seconds, self._timely(self._sweep.resend)))
            tasks.create_task(
                self._every(config.resend_seconds, self._timely(self._sweep.pass_overlap_locks))
            )
            tasks.create_task(self._every(config.rescue_seconds, self._timely(self._sweep.rescue)))
            tasks.create_task(self._every(config.backfill_seconds, self._timely(self._backfill)))
            tasks.create_task(Calendars(self._shard, config.calendar_seconds).run())
            tasks.create_task(self._every(config.gauge_seconds, self._timely(self._measure)))

    async def stop(self) -> None:
        """Dispatch all claimed runs at once, and remove the heartbeat."""
        await self._send(self._buffer.pop(FOR_EVER, len(self._buffer)))
        await self._heartbeat.stop()

    async def claim(self, now: datetime) -> bool:
        """Claim once; return whether to claim again at once."""
        if len(self._buffer) >= self._config.buffer_size:
            return False
        return await self._claim(now)

    async def catch_up(self, now: datetime) -> bool:
        """Claim late jobs once; return whether to claim again at once.

        While messages wait, workers have enough to do: late runs must not delay those on time.
        """
        if await self._shard.queue.depth() > self._config.catch_up_depth:
            return False
        return await self._claim(now, late=True)

    async def _claim(self, now: datetime, *, late: bool = False) -> bool:
        command = ClaimRuns(
            dispatcher_id=self._id,
            now=now,
            until=now + LOOK_AHEAD,
            late=late,
            claim_shares=self._claim_shares(late=late),
            most_offset=self._most_offset,
        )
        claim = await claim_runs(command, self._shard.database)
        self._was_full[late] = claim.full
        self._buffer.add(claim.runs)
        if claim.runs:
            CLAIMED.inc(len(claim.runs))
            BUFFERED.set(len(self._buffer))
            self._claimed.set()
        return claim.full

    def _claim_shares(self, *, late: bool) -> ClaimShares | None:
        room = self._config.buffer_size - len(self._buffer)
        if not self._was_full[late] and room > self._config.buffer_size / 2:
            return None  # only a full batch shows that there is a flood
        return ClaimShares(held=self._buffer.by_service, room=room)

    async def dispatch(self, now: datetime) -> None:
        """Send runs due within the lead; those that Redis does not accept stay in the buffer.

        Services share here, not in the message queue: of a flood, no more is sent than workers pick
        up at once, and services with few due runs pass it by.
        """
        until = now + self._config.lead
        if self._is_queue_full or self._sweep.unfinished:
            await self._send(self._buffer.pop_few(until, FEW), ahead=True)
        else:
            await self._send(self._buffer.pop(until, self._shard.queue.batch_size))
        self._is_queue_full = self._is_due(until)
        if self._is_queue_full and (room := MAX_DEPTH - await self._shard.queue.depth()) > 0:
            await self._send(self._buffer.pop(until, room * self._shard.queue.batch_size))
            self._is_queue_full = self._is_due(until)

    def _is_due(self, until: datetime) -> bool:
        due_at = self._buffer.next_due()
        return due_at is not None and due_at <= until

    async def _send(self, runs: list[ClaimedRun], *, ahead: bool = False) -> None:
        try:
            keys = [(run.service_id, run.id) for run in runs]
            await self._shard.queue.dispatch(keys, ahead=ahead)
        except (RedisError, BrokerError):
            self._buffer.add(runs)
            raise
        finally:
            BUFFERED.set(len(self._buffer))
        DISPATCHED.inc(len(runs))

    def _wake(self, _: str) -> None:
        self._woken.set()

    async def _keep_claiming(self) -> None:
        while True:
            self._woken.clear()
            self._health.beat("claiming")
            moment = read_clocks()
            try:
                more = self._is_right(moment) and await self.claim(moment.wall)
            except (ClockAhead, *UNREACHABLE) as error:
                log.warning("dispatcher.claim_failed", error=kind_of(error))
                more = False
            if not more:
                await _wait(self._woken, self._config.claim_seconds)

    async def _keep_catching_up(self) -> None:
        while True:
            moment = read_clocks()
            try:
                more = self._is_right(moment) and await self.catch_up(moment.wall)
            except (ClockAhead, *TROUBLE) as error:
                log.warning("dispatcher.catch_up_failed", error=kind_of(error))
                more = False
            if not more:
                await asyncio.sleep(self._config.claim_seconds)

    async def _backfill(self, now: datetime) -> int:
        runs = await continue_backfills(now, self._shard.database)
        await self._shard.queue.dispatch(runs)
        return len(runs)

    async def _measure(self, now: datetime) -> int:
        await measure_redis(self._shard.redis)
        return await measure(self._shard.database, now)

    async def _keep_dispatching(self) -> None:
        while True:
            self._claimed.clear()
            self._health.beat("handing over")
            try:
                await self.dispatch(self._dispatch_at(read_clocks()))
            except (RedisError, BrokerError) as error:
                log.warning("dispatcher.hand_over_failed", error=kind_of(error))
                await asyncio.sleep(self._config.retry_seconds)
            if self._is_queue_full:
                await asyncio.sleep(self._config.full_poll_seconds)
            else:
                await _wait(self._claimed, self._until_next_dispatch())

    def _until_next_dispatch(self) -> float:
        due_at = self._buffer.next_due()
        if due_at is None:
            return self._config.claim_seconds
        upcoming = (due_at - self._config.lead - datetime.now(UTC)).total_seconds()
        # No longer: the clock may be stepped meanwhile.
        return min(max(upcoming + self._config.gather_seconds, 0), self._config.claim_seconds)

    def _dispatch_at(self, moment: Moment) -> datetime:
        """While the clock is wrong, workers get all claimed runs at once, and do the waiting."""
        return (
            FOR_EVER - self._config.lead
            if self._shard.database.clock.wrong(moment)
            else moment.wall
        )

    def _is_right(self, moment: Moment) -> bool:
        return self._shard.database.clock.trouble(moment) is None

    def _timely(
        self, sweep: Callable[[datetime], Awaitable[int]]
    ) -> Callable[[datetime], Awaitable[int]]:
        """The same sweep, which does nothing while the clock of this process is wrong."""

        async def sweep_if_right(_: datetime) -> int:
            moment = read_clocks()
            return await sweep(moment.wall) if self._is_right(moment) else 0

        return sweep_if_right

    async def _every(self, seconds: float, sweep: Callable[[datetime], Awaitable[int]]) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                await sweep(datetime.now(UTC))
            except TROUBLE as error:
                log.warning("dispatcher.sweep_failed", error=kind_of(error))
            except Exception:
                # One run or backfill may have caused it: the others must fire all the same.
                log.exception("dispatcher.sweep_broken")
            await asyncio.sleep(max(seconds, self._config.rest_factor * (clock() - began)))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
