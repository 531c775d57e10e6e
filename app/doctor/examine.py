"""Ask every server, and judge what they say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain
from urllib.parse import unquote, urlsplit

import asyncpg
from msgspec.structs import replace
from redis import Redis, RedisError

from app.doctor import elsewhere, primary
from app.doctor.finding import Finding, Level, fail, ok, warn
from app.settings import Settings
from domain.schedules.clocks.zones import VERSION
from queries.operations.diagnose import ServerFacts, WalPlace, flushed, replayed, server_facts, work
from storage.postgres.heartbeats import database_now
from storage.postgres.pools import READ_SETTINGS, UNREACHABLE, Driver, Server
from storage.queue.broker import make_broker
from storage.redis.clock_ticks import last_tick
from storage.schema.migrate import revision_of
from storage.urls import ShardUrls, parse_sentinels

SECONDS = 5.0
"""Nobody waits longer for a server."""
FOLLOW_SECONDS = 2.0
_AWAY = (*UNREACHABLE, asyncpg.PostgresError, RedisError, ValueError)


class Examination:
    """One look at a deployment; what it says names no password."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._urls = settings.shard_urls()
        self._hidden = [*_passwords(self._urls)]

    async def findings(self) -> list[Finding]:
        """All that was found."""
        replicas = [
            _tried(
                f"replica-{number}", "Start it, or take its URL away.", self._replica(number, url)
            )
            for number, url in enumerate(self._urls.replicas, start=1)
        ]
        pooler = self._urls.pooler
        through = (
            await _tried("pooler", "Start it, or set TOCSIN_POOLER_URL right.", _pooler(pooler))
            if pooler
            else []
        )
        found = await asyncio.gather(
            _tried("primary", "Start it, or set TOCSIN_PRIMARY_URL right.", self._primary()),
            _tried("redis", "Start it, or set TOCSIN_REDIS_URL right.", self._redis()),
            *replicas,
        )
        return [self._masked(one) for one in (self._keys(), *through, *chain(*_eased(found)))]

    def _keys(self) -> Finding:
        if self._settings.encryption():
            return ok("encryption keys", "set")
        return warn("encryption keys", "none", "Set TOCSIN_ENCRYPTION_KEYS to keep secrets.")

    async def _primary(self) -> list[Finding]:
        async with _connected(self._urls.primary) as driver:
            facts = await server_facts(driver)
            schema = primary.judge_schema(await revision_of(driver))
            return [
                primary.judge_server("primary", facts),
                elsewhere.judge_skew("the primary", facts.skew, facts.doubt),
                *primary.judge_durability(facts, replicas=bool(self._urls.replicas)),
                schema,
                *(await self._work(driver, facts) if schema.level is Level.OK else ()),
            ]

    async def _work(self, driver: Driver, facts: ServerFacts) -> list[Finding]:
        now = await database_now(driver)
        todo = await work(driver, now)
        return [
            primary.judge_partitions(todo.partitions, now.date()),
            *primary.judge_connections(facts, todo.living, self._settings.pool_size),
            *elsewhere.judge_processes(todo.living),
            primary.judge_overrunning(todo.overrunning),
            *elsewhere.judge_clocks(todo.clocks),
            *elsewhere.judge_zones(VERSION, todo.zones_of_jobs, todo.other_zones),
            *elsewhere.judge_lateness(todo.unclaimed_since, todo.untaken_since, now),
        ]

    async def _replica(self, number: int, url: str) -> list[Finding]:
        name = f"replica-{number}"
        async with _connected(url) as driver:
            facts = await server_facts(driver)
            async with _connected(self._urls.primary) as written:
                goal = await flushed(written)
            place, seconds = await _follow(driver, goal)
            return [
                primary.judge_server(name, facts),
                elsewhere.judge_replica(name, place, goal, seconds, in_recovery=facts.in_recovery),
            ]

    async def _redis(self) -> list[Finding]:
        broker = make_broker(self._urls.redis)
        try:
            by_sentinels = parse_sentinels(self._urls.redis) is not None
            return await asyncio.to_thread(_judged_redis, broker.client, by_sentinels=by_sentinels)
        finally:
            broker.close()

    def _masked(self, finding: Finding) -> Finding:
        said = finding.said
        for password in self._hidden:
            said = said.replace(password, "***")
        return replace(finding, said=said)


async def _pooler(url: str) -> list[Finding]:
    async with _connected(url, pooled=True) as driver:
        await driver.fetchval("SELECT 1")
    return [ok("pooler", "leads to Postgres")]


async def _follow(replica: Driver, goal: WalPlace) -> tuple[WalPlace, float]:
    """How far a replica is when it has reached a goal or the time is up, and after how long."""
    began = time.monotonic()
    while True:
        place = await replayed(replica)
        seconds = time.monotonic() - began
        if place >= goal or seconds > FOLLOW_SECONDS:
            return place, seconds
        await asyncio.sleep(0.02)


async def _tried(name: str, advice: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(SECONDS):
            return await looking
    except _AWAY as error:
        return [fail(name, " ".join(str(error).split()) or type(error).__name__, advice)]


def _eased(found: Sequence[list[Finding]]) -> Iterator[list[Finding]]:
    """While one replica answers, reads go there; of several, one may be the primary of today."""
    primary_and_redis, replicas = found[:2], found[2:]
    yield from primary_and_redis
    some_answer = any(len(of_it) > 1 for of_it in replicas)
    for of_it in replicas:
        if some_answer and len(of_it) == 1:
            yield [replace(one, level=Level.WARN) for one in of_it]
        else:
            yield of_it


@asynccontextmanager
async def _connected(url: str, *, pooled: bool = False) -> AsyncIterator[Driver]:
    server = Server(url, size=1, settings=READ_SETTINGS, pooled=pooled)
    try:
        async with server.connection() as driver:
            yield driver
    finally:
        await server.close()


def _judged_redis(client: Redis, *, by_sentinels: bool) -> list[Finding]:
    facts = client.info("everything")
    asked = time.time()
    seconds, microseconds = client.time()
    answered = time.time()
    skew = seconds + microseconds / 1_000_000 - (asked + answered) / 2
    return [
        *elsewhere.judge_redis(facts),
        *(elsewhere.judge_fencing(facts) if by_sentinels else ()),
        elsewhere.judge_skew("redis", skew, (answered - asked) / 2),
        elsewhere.judge_tick(last_tick(client), datetime.now(UTC)),
    ]


def _passwords(urls: ShardUrls) -> Iterable[str]:
    if sentinels := parse_sentinels(urls.redis):
        yield from sentinels.sentinel_login.values()
    for url in (urls.primary, *urls.replicas, urls.redis, *filter(None, [urls.pooler])):
        password = urlsplit(url).password
        if password:
            yield from (password, unquote(password))
