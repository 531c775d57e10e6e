"""`tocsin doctor` finds what is broken, says what to do, and tells no secret."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest
from redis import Redis

from app.doctor.elsewhere import (
    judge_clocks,
    judge_fencing,
    judge_replica,
    judge_skew,
    judge_tick,
)
from app.doctor.finding import Level
from app.doctor.primary import judge_connections, judge_overrunning, judge_partitions
from app.embedded.servers import EmbeddedServers
from queries.operations.diagnose import ServerFacts, WalPlace
from storage.postgres.heartbeats import MeasuredClock
from storage.postgres.pools import Database
from storage.schema.migrate import migrate
from storage.urls import ShardUrls
from tests.processes import CHECKOUT, System, wait_until

NOW = datetime.now(UTC)
POOL = {"TOCSIN_POOL_SIZE": "8"}  # as in Kubernetes: the embedded servers take 200 connections
Findings = dict[str, tuple[str, str]]


def examine(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", *options],
        env={**os.environ, **environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def found(system: System, **changes: str) -> Findings:
    """Level and text by subject; the exit status has to fit them, and no password is told."""
    environment = system.environment | POOL | changes
    done = examine(environment, "--json")
    assert done.stdout, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == any(one["level"] == "fail" for one in findings), findings
    for url in (system.urls.primary, system.urls.redis, environment["TOCSIN_PRIMARY_URL"]):
        assert str(urlsplit(url).password) not in done.stdout + done.stderr
    assert all(one["advice"] for one in findings if one["level"] != "ok"), findings
    return {one["subject"]: (one["level"], one["said"]) for one in findings}


def bad(findings: Findings) -> dict[str, str]:
    return {subject: level for subject, (level, _) in findings.items() if level != "ok"}


@contextmanager
def database_of_its_own(system: System) -> Iterator[str]:
    name = f"doctor_{uuid4().hex}"

    async def execute(statement: str) -> None:
        database = Database(system.urls.primary)
        async with database.driver() as driver:
            await driver.execute(statement)
        await database.close()

    asyncio.run(execute(f"CREATE DATABASE {name}"))
    yield system.urls.primary.rpartition("/")[0] + f"/{name}"
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


# Nothing more is wrong with the servers as shipped than that commits do not wait for the replica.
SHIPPED = {"synchronous_standby_names": "warn"}


def test_what_runs_well_is_found_well(crowd: System) -> None:
    wait_until(lambda: bad(found(crowd)) == SHIPPED, seconds=60, what="nothing fails")
    findings = found(crowd)
    assert findings["dispatchers"] == ("ok", "2 beat")
    assert findings["workers"] == ("ok", "2 beat")
    assert findings["clock"][1].startswith("ticked ")
    assert findings["replica-1 follows"][1].startswith("replayed all within ")
    assert findings["fsync"] == ("ok", "on")
    assert findings["partitions"][0] == "ok"
    assert findings["runs"] == ("ok", "none rings longer than its time-out allows")
    lines = examine(crowd.environment | POOL)
    assert lines.returncode == 0
    assert len(lines.stdout.splitlines()) == len(findings) + 1  # two are about what is due
    assert {line.split()[0] for line in lines.stdout.splitlines()} == {"OK", "WARN"}


def test_a_replica_that_is_stopped(crowd: System, mortal_servers: EmbeddedServers) -> None:
    mortal_servers.replica.stop()
    try:
        assert found(crowd)["replica-1"][0] == "fail"
    finally:
        mortal_servers.replica.start()
    wait_until(lambda: found(crowd)["replica-1"][0] == "ok", what="the replica is back")


def test_a_replica_that_does_not_replay(crowd: System, mortal_servers: EmbeddedServers) -> None:
    postmaster = psutil.Process(mortal_servers.replica.pid)
    (startup,) = (one for one in postmaster.children() if "startup" in " ".join(one.cmdline()))
    startup.suspend()
    try:  # the heartbeats alone write more
        wait_until(lambda: "replica-1 follows" in bad(found(crowd)), what="it is behind")
    finally:
        startup.resume()
    wait_until(lambda: bad(found(crowd)) == SHIPPED, what="it follows again")


def test_servers_that_are_away(crowd: System, mortal_servers: EmbeddedServers) -> None:
    for server, subject in ((mortal_servers.valkey, "redis"), (mortal_servers.primary, "primary")):
        server.kill()
        try:
            assert found(crowd)[subject][0] == "fail"
        finally:
            server.start()


def test_a_password_that_is_wrong_is_not_told(crowd: System) -> None:
    parts = urlsplit(crowd.urls.primary)
    wrong = crowd.urls.primary.replace(str(parts.password), "open-sesame")
    assert found(crowd, TOCSIN_PRIMARY_URL=wrong)["primary"][0] == "fail"


def test_a_schema_that_is_missing_or_old(crowd: System) -> None:
    with database_of_its_own(crowd) as url:
        assert found(crowd, TOCSIN_PRIMARY_URL=url)["schema"] == ("fail", "there are no tables")

        async def age() -> None:
            database = Database(url)
            await migrate(database, NOW)
            async with database.driver() as driver:
                await driver.execute("UPDATE alembic_version SET version_num = '0001'")
            await database.close()

        asyncio.run(age())
        level, said = found(crowd, TOCSIN_PRIMARY_URL=url)["schema"]
        assert (level, said[:7]) == ("fail", "at 0001")


def test_partitions_that_end_and_processes_that_there_are_none_of(crowd: System) -> None:
    with database_of_its_own(crowd) as url:

        async def age() -> None:
            database = Database(url)
            await migrate(database, NOW - timedelta(days=30))
            await database.close()

        asyncio.run(age())
        findings = found(crowd, TOCSIN_PRIMARY_URL=url)
        assert findings["partitions"][0] == "fail"
        assert findings["dispatchers"] == findings["workers"] == ("fail", "none beats")


def test_a_redis_that_evicts(crowd: System) -> None:
    with Redis.from_url(crowd.urls.redis) as redis:
        redis.config_set("maxmemory", "100mb")
        redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert found(crowd)["maxmemory-policy"][0] == "fail"
        finally:
            redis.config_set("maxmemory", "0")
            redis.config_set("maxmemory-policy", "noeviction")


def test_a_redis_that_takes_writes_without_its_replicas(crowd: System) -> None:
    levels = []
    with Redis.from_url(crowd.urls.redis) as redis:
        try:
            for replicas in (0, 1):
                redis.config_set("min-replicas-to-write", replicas)
                (finding,) = judge_fencing(redis.info("everything"))
                levels.append(finding.level)
        finally:
            redis.config_set("min-replicas-to-write", 0)
    assert levels == [Level.WARN, Level.OK]


def test_servers_that_forget_what_they_confirm(urls: ShardUrls, crowd: System) -> None:
    """Those of the other tests do not wait for the disk."""
    findings = found(crowd, TOCSIN_PRIMARY_URL=urls.primary, TOCSIN_REPLICA_URLS="")
    assert findings["fsync"] == ("fail", "off")
    assert findings["full_page_writes"] == ("fail", "off")


def test_clocks_that_disagree() -> None:
    levels = [judge_skew("it", skew, 0.05).level for skew in (0.1, -0.14, 0.2, -1.2)]
    assert levels == [Level.OK, Level.OK, Level.WARN, Level.FAIL]


def test_clocks_of_processes() -> None:
    def levels(*offsets: int) -> list[Level]:
        clocks = [
            MeasuredClock(kind="worker", host="host", pid=pid, offset_ms=offset)
            for pid, offset in enumerate(offsets)
        ]
        return [one.level for one in judge_clocks(clocks)]

    assert levels() == []
    assert levels(100, -20) == [Level.OK]
    assert levels(-120_000, 900, 3) == [Level.FAIL, Level.WARN]


def test_a_clock_that_stands() -> None:
    ages = (10, 149, 151, None)
    levels = [judge_tick(age and NOW.timestamp() - age, NOW).level for age in ages]
    assert levels == [Level.OK, Level.OK, Level.FAIL, Level.WARN]


def test_a_replica_that_is_far_behind_or_none_at_all() -> None:
    goal = WalPlace(2, 200_000_000)
    for place, level in (
        (goal, Level.OK),
        (WalPlace(2, 200_001_000), Level.OK),
        (WalPlace(2, 199_999_000), Level.WARN),
        (WalPlace(2, 100_000_000), Level.FAIL),
        # More bytes, and other ones: it was not there when another took over.
        (WalPlace(1, 300_000_000), Level.FAIL),
    ):
        assert judge_replica("it", place, goal, 2.0, in_recovery=True).level is level
    assert judge_replica("it", goal, goal, 0.0, in_recovery=False).level is Level.WARN


@pytest.mark.parametrize(("most", "level"), [(800, Level.OK), (130, Level.WARN), (120, Level.FAIL)])
def test_room_for_connections(most: int, level: Level) -> None:
    facts = ServerFacts(
        settings={"max_connections": str(most)},
        connections=20,
        in_recovery=False,
        skew=0,
        doubt=0,
    )
    (finding,) = judge_connections(facts, {"dispatcher": 2, "worker": 2}, 8)
    assert finding.level is level
    assert f"max_connections {most}; 4 dispatchers and workers take up to 76" in finding.said


def test_runs_that_should_have_ended() -> None:
    assert [judge_overrunning(count).level for count in (0, 1)] == [Level.OK, Level.FAIL]


def test_partitions_ahead() -> None:
    today = date(2031, 5, 10)
    lasts = (None, today, today + timedelta(1), today + timedelta(6))
    levels = [judge_partitions({"runs": last}, today).level for last in lasts]
    assert levels == [Level.FAIL, Level.FAIL, Level.WARN, Level.OK]
