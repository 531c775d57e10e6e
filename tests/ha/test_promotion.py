"""The primary dies under load, and its synchronous replica is promoted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from app.embedded.postgres import PostgresServer
from app.embedded.replica import SLOT
from app.embedded.servers import EmbeddedServers
from loadtests.sink.process import SinkProcess
from storage.postgres.connect import target_of
from storage.urls import ShardUrls
from tests.ha.traffic import THREADS, Outcome, traffic
from tests.processes import System, wait_until

LOOKS_AGAIN_SECONDS = 2.0
"""Who could not reach Postgres tries again within a second, connecting included."""


@pytest.fixture
def either_system(servers: EmbeddedServers, urls: ShardUrls, tmp_path: Path) -> Iterator[System]:
    """All of Tocsin, told of both hosts; a commit is acknowledged when the replica has it, too."""
    wait_until(servers.replica.is_following, what="the replica follows")
    _execute(servers.primary, f"ALTER SYSTEM SET synchronous_standby_names = '{SLOT}'")
    _execute(servers.primary, "SELECT pg_reload_conf()")
    wait_until(lambda: _is_synchronous(servers.primary), what="replication is synchronous")
    ports = (servers.primary.port, servers.replica.port)
    there = msgspec.structs.replace(urls, primary=_with_hosts(urls.primary, *ports))
    with System(there, tmp_path) as running:
        running.migrate()
        running.start("api", "dispatcher", "dispatcher", "worker", "worker", "clock")
        yield running


def test_the_promoted_replica_has_all_that_was_accepted(
    either_system: System, servers: EmbeddedServers, sink: SinkProcess
) -> None:
    with either_system.client(f"ha-{uuid4()}") as client, traffic(client, sink) as made:
        _kill_group(servers.primary)
        made.wait_for_failures(150)
        _execute(servers.replica, "SELECT pg_promote()")
        made.wait_for_writes(100)
        made.stop()
        outcome = Outcome(client, sink, made)
        outcome.tell(made)
        # What was not accepted is the client's to repeat; all else went on.
        assert all(" 503 " in what for what in made.failed), made.failed
        # Who had just written when the primary died may have to wait for the replica to replay it.
        unread = sum(n for what, n in made.failed.items() if what.startswith("GET"))
        assert unread <= THREADS, made.failed
        outcome.rang_once()
        assert outcome.lateness <= made.longest_gap() + LOOKS_AGAIN_SECONDS
    assert all(either_system.every(name) for name in ("api", "dispatcher", "worker", "clock"))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("postgresql://u:p@one:1/db", {}),
        ("postgresql://u:p@one:1,two:2/db", {"target_session_attrs": "read-write"}),
        ("postgresql://u:p@one:1,two:2/db?target_session_attrs=primary", {}),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_wanted(
    url: str, target: dict[str, str]
) -> None:
    assert target_of(url) == target


def _kill_group(server: PostgresServer) -> None:
    assert server.pid is not None
    os.killpg(server.pid, signal.SIGKILL)
    server.kill()


def _is_synchronous(primary: PostgresServer) -> bool:
    return _execute(primary, "SELECT sync_state FROM pg_stat_replication") == "sync"


def _execute(server: PostgresServer, statement: str) -> object:
    """What the server answers its superuser."""

    async def ask() -> object:
        password = server._site.passwords.superuser
        connection = await asyncpg.connect(
            f"postgresql://postgres:{password}@127.0.0.1:{server.port}/postgres"
        )
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def _with_hosts(url: str, *ports: int) -> str:
    parts = urlsplit(url)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    netloc = f"{parts.username}:{parts.password}@{hosts}"
    return parts._replace(netloc=netloc, query="target_session_attrs=primary").geturl()
