"""Claims what falls due soon and hands it over to the workers shortly before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from dramatiq import BrokerError
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from commands.claim_runs import ClaimedRun, ClaimRuns, claim_runs
from commands.continue_backfills import continue_backfills
from domain.schedules.zones import VERSION
from storage.clock_offset import MOST_OFFSET, ClockAhead, Moment, read_clocks
from storage.due import Turns
from storage.error_kinds import kind_of
from storage.listening import listen
from storage.migrate import until_migrated
from storage.postgres import UNREACHABLE
from storage.queue import BATCH_SIZE, FEW, MAX_DEPTH
from storage.shards import LOOK_AHEAD, WAKE_CHANNEL, Shard
from storage.zone_tables import watch_tables
from workers.dispatcher.calendars import Calendars
from workers.dispatcher.claimed_buffer import Held
from workers.dispatcher.gauges import measure, measure_redis
from workers.dispatcher.zone_keeper import ZoneKeeper
from workers.heartbeat import Heartbeat
from workers.housekeeping.sweep import Sweep
from workers.process_health import Vitals
from workers.readiness import asks

log = structlog.get_logger()
CLAIMED = Counter("tocsin_claimed_runs_total", "Runs that dispatchers claimed.")
HANDED_OVER = Counter("tocsin_handed_over_runs_total", "Runs that dispatchers handed over.")
HELD = Gauge(
    "tocsin_dispatcher_held_runs",
    "Claimed runs that wait to be handed over.",
    multiprocess_mode="livesum",
)

LEAD = timedelta(milliseconds=800)
"""How long before its due instant a run is handed over."""
CLAIM_SECONDS = 0.5
GATHER_SECONDS = 0.05
"""What falls due within so long goes into one message."""
SWEEP_SECONDS = 0.25
RESCUE_SECONDS = 1.0
BACKFILL_SECONDS = 1.0
MEASURE_SECONDS = 2.0
RETRY_SECONDS = 0.25
REST_FACTOR = 5
"""A sweep rests so many times as long as it took: where it finds much to look at, it is rarer."""
FOR_EVER = datetime.max.replace(tzinfo=UTC)
MAX_HELD = 100_000
CROWDED_SECONDS = 0.02
"""While they do wait, there is another look for room so soon."""
MAX_DEPTH_TO_CATCH_UP = 4
TROUBLE = (*UNREACHABLE, RedisError, BrokerError)


class Dispatcher:
    """One dispatcher process; any number of them share a shard without a leader.

    Args:
        most_offset: A claim from so much later than the database's now is refused; None refuses
            none.
    """

    def __init__(
        self,
        shard: Shard,
        process_id: UUID,
        vitals: Vitals | None = None,
        *,
        most_offset: timedelta | None = MOST_OFFSET,
    ) -> None:
        self._shard = shard
        self._id = process_id
        self._most_offset = most_offset
        self._vitals = vitals or Vitals()
        self._heartbeat = Heartbeat(process_id, "dispatcher", shard.database, self._vitals)
        self._held = Held()
        self._sweep = Sweep(shard, self._heartbeat, self._held)
        self._zones = ZoneKeeper(shard, process_id)
        # Of each lane: whether the last claim was full, so that services are to take turns.
        self._flooded = {False: False, True: False}
        self._crowded = False
        self._woken = asyncio.Event()
        self._claimed = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        await until_migrated(self._shard.database)
        await self._heartbeat.begin()  # measures the clock, without which nothing is claimed
        self._vitals.started(asks(self._shard))
        await self._zones.begin()
        log.info("dispatcher.started", dispatcher_id=str(self._id), tzdata=VERSION)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._heartbeat.run())
            tasks.create_task(self._zones.run())
            tasks.create_task(watch_tables(self._shard.database))
            tasks.create_task(listen(self._shard.urls.primary, WAKE_CHANNEL, self._wake))
            tasks.create_task(self._keep_claiming())
            tasks.create_task(self._keep_catching_up())
            tasks.create_task(self._keep_handing_over())
            tasks.create_task(self._every(SWEEP_SECONDS, self._timely(self._sweep.resend)))
            tasks.create_task(self._every(SWEEP_SECONDS, self._timely(self._sweep.pass_turns)))
            tasks.create_task(self._every(RESCUE_SECONDS, self._timely(self._sweep.rescue)))
            tasks.create_task(self._every(BACKFILL_SECONDS, self._timely(self._backfill)))
            tasks.create_task(Calendars(self._shard).run())
            tasks.create_task(self._every(MEASURE_SECONDS, self._timely(self._measure)))

    async def stop(self) -> None:
        """Hand over at once what is held, and leave."""
        await self._send(self._held.pop(FOR_EVER, len(self._held)))
        await self._heartbeat.stop()

    async def claim(self, now: datetime) -> bool:
        """Claim once, and return whether there is more to claim at once."""
        if len(self._held) >= MAX_HELD:
            return False
        return await self._claim(now)

    async def catch_up(self, now: datetime) -> bool:
        """Claim once of what is late, and return whether there is more to claim at once.

        While messages wait, workers have enough to do: what is on time must not queue behind.
        """
        if await self._shard.queue.depth() > MAX_DEPTH_TO_CATCH_UP:
            return False
        return await self._claim(now, late=True)

    async def _claim(self, now: datetime, *, late: bool = False) -> bool:
        command = ClaimRuns(
            dispatcher_id=self._id,
            now=now,
            until=now + LOOK_AHEAD,
            late=late,
            turns=self._turns(late=late),
            most_offset=self._most_offset,
        )
        claim = await claim_runs(command, self._shard.database)
        self._flooded[late] = claim.full
        self._held.add(claim.runs)
        if claim.runs:
            CLAIMED.inc(len(claim.runs))
            HELD.set(len(self._held))
            self._claimed.set()
        return claim.full

    def _turns(self, *, late: bool) -> Turns | None:
        room = MAX_HELD - len(self._held)
        if not self._flooded[late] and room > MAX_HELD / 2:
            return None  # the first batch of a flood is taken as it comes, and tells of it
        return Turns(held=self._held.by_service, room=room)

    async def hand_over(self, now: datetime) -> None:
        """Send what is due within the lead; what Redis does not take is kept for the next time.

        Services take turns, here and not in the queue: of a flood no more is sent than workers
        pick up at once, and who has few runs due passes it by.
        """
        until = now + LEAD
        if self._crowded or self._sweep.unfinished:
            await self._send(self._held.pop_few(until, FEW), ahead=True)
        else:
            await self._send(self._held.pop(until, BATCH_SIZE))
        self._crowded = self._is_due(until)
        if self._crowded and (room := MAX_DEPTH - await self._shard.queue.depth()) > 0:
            await self._send(self._held.pop(until, room * BATCH_SIZE))
            self._crowded = self._is_due(until)

    def _is_due(self, until: datetime) -> bool:
        due_at = self._held.next_due()
        return due_at is not None and due_at <= until

    async def _send(self, runs: list[ClaimedRun], *, ahead: bool = False) -> None:
        try:
            keys = [(run.service_id, run.id) for run in runs]
            await self._shard.queue.hand_over(keys, ahead=ahead)
        except (RedisError, BrokerError):
            self._held.add(runs)
            raise
        finally:
            HELD.set(len(self._held))
        HANDED_OVER.inc(len(runs))

    def _wake(self, _: str) -> None:
        self._woken.set()

    async def _keep_claiming(self) -> None:
        while True:
            self._woken.clear()
            self._vitals.beat("claiming")
            moment = read_clocks()
            try:
                more = self._is_right(moment) and await self.claim(moment.wall)
            except (ClockAhead, *UNREACHABLE) as error:
                log.warning("dispatcher.claim_failed", error=kind_of(error))
                more = False
            if not more:
                await _wait(self._woken, CLAIM_SECONDS)

    async def _keep_catching_up(self) -> None:
        while True:
            moment = read_clocks()
            try:
                more = self._is_right(moment) and await self.catch_up(moment.wall)
            except (ClockAhead, *TROUBLE) as error:
                log.warning("dispatcher.catch_up_failed", error=kind_of(error))
                more = False
            if not more:
                await asyncio.sleep(CLAIM_SECONDS)

    async def _backfill(self, now: datetime) -> int:
        runs = await continue_backfills(now, self._shard.database)
        await self._shard.queue.hand_over(runs)
        return len(runs)

    async def _measure(self, now: datetime) -> int:
        await measure_redis(self._shard.redis)
        return await measure(self._shard.database, now)

    async def _keep_handing_over(self) -> None:
        while True:
            self._claimed.clear()
            self._vitals.beat("handing over")
            try:
                await self.hand_over(self._hand_over_at(read_clocks()))
            except (RedisError, BrokerError) as error:
                log.warning("dispatcher.hand_over_failed", error=kind_of(error))
                await asyncio.sleep(RETRY_SECONDS)
            if self._crowded:
                await asyncio.sleep(CROWDED_SECONDS)
            else:
                await _wait(self._claimed, self._until_next_hand_over())

    def _until_next_hand_over(self) -> float:
        due_at = self._held.next_due()
        if due_at is None:
            return CLAIM_SECONDS
        upcoming = (due_at - LEAD - datetime.now(UTC)).total_seconds()
        # The clock may be stepped while it waits.
        return min(max(upcoming + GATHER_SECONDS, 0), CLAIM_SECONDS)

    def _hand_over_at(self, moment: Moment) -> datetime:
        """Where its own clock is wrong, workers get at once what is held, and wait themselves."""
        return FOR_EVER - LEAD if self._shard.database.clock.wrong(moment) else moment.wall

    def _is_right(self, moment: Moment) -> bool:
        return self._shard.database.clock.trouble(moment) is None

    def _timely(
        self, sweep: Callable[[datetime], Awaitable[int]]
    ) -> Callable[[datetime], Awaitable[int]]:
        """The same, which does nothing while this process's clock is wrong."""

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
                # Of one run or backfill, perhaps: the others are to fire all the same.
                log.exception("dispatcher.sweep_broken")
            await asyncio.sleep(max(seconds, REST_FACTOR * (clock() - began)))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
