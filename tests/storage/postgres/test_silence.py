"""A session whose client is silent, or takes nothing more, ends and frees what it locked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

import app.embedded.postgres
from app.embedded.servers import EmbeddedServers
from tests.processes import CHECKOUT
from tests.servers import started_servers
from tests.storage.eventually import eventually

# The bounds of production, shorter: that they are set at all is tests/contracts' to see.
CLIENT = """
import asyncio, socket, sys
from pathlib import Path
from storage.postgres import keepalive
keepalive.SERVER_SIDE.update(
    tcp_keepalives_idle="1", tcp_keepalives_interval="1", tcp_keepalives_count="2",
    tcp_user_timeout="3000",
)
keepalive.OPTIONS.update({socket.TCP_KEEPIDLE: 1, socket.TCP_KEEPINTVL: 1, socket.TCP_KEEPCNT: 2,
    socket.TCP_USER_TIMEOUT: 3000})
from storage.postgres.listen import listen
from storage.postgres.pools import Database

async def read(url):
    async with Database(url).driver() as driver, driver.transaction():
        await driver.execute("CREATE TABLE locked ()")
        await driver.fetch("SELECT repeat('x', 1000) AS reads, generate_series(1, 10000000)")

asyncio.run(read(sys.argv[2]) if sys.argv[1] == "read" else listen(sys.argv[2], "silence", print))
"""
NAMESPACE = f"tocsin-{os.getpid()}"
OURS, THEIRS = "10.213.77.1", "10.213.77.2"
ENDS = ("tocsin0", "tocsin1")


def client(*words: str, within: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*within, sys.executable, "-c", CLIENT, *words],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@asynccontextmanager
async def sessions(servers: EmbeddedServers) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(servers.urls.primary)
    yield connection
    await connection.close()


async def test_a_client_that_stands_still_amid_an_answer(servers: EmbeddedServers) -> None:
    sending = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS reads%' AND pid <> "
    sending += "pg_backend_pid()"
    with client("read", servers.urls.primary) as process:
        try:
            async with sessions(servers) as asking:
                await eventually(lambda: asking.fetchval(sending), what="it is answered")
                process.send_signal(signal.SIGSTOP)
                blocked = f"{sending} AND wait_event = 'ClientWrite'"
                await eventually(lambda: asking.fetchval(blocked), what="it takes no more")

                async def has_ended() -> bool:
                    return not await asking.fetchval(sending)

                await eventually(has_ended, seconds=30, what="its session ends")
        finally:
            process.kill()


@pytest.fixture
def far(
    seed: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[EmbeddedServers]:
    """Servers that another host reaches over a cable."""
    if os.geteuid() != 0 or run("ip", "netns", "add", NAMESPACE):
        pytest.skip("Only root can make a network namespace.")
    try:
        laid = [
            run("ip", "link", "add", ENDS[0], "type", "veth", "peer", ENDS[1], "netns", NAMESPACE),
            run("ip", "addr", "add", f"{OURS}/30", "dev", ENDS[0]),
            run("ip", "link", "set", ENDS[0], "up"),
            inside("ip", "addr", "add", f"{THEIRS}/30", "dev", ENDS[1]),
            inside("ip", "link", "set", ENDS[1], "up"),
        ]
        if any(laid):
            pytest.skip("No cable can be laid between two network namespaces.")
        postgres = app.embedded.postgres
        monkeypatch.setitem(postgres.SETTINGS, "listen_addresses", f"127.0.0.1,{OURS}")
        access = postgres.ACCESS + f"host all all {THEIRS}/32 scram-sha-256\n"
        monkeypatch.setattr(postgres, "ACCESS", access)
        with started_servers(tmp_path_factory.mktemp("far"), seed=seed) as embedded:
            yield embedded
    finally:
        run("ip", "netns", "del", NAMESPACE)


def run(*command: str) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def inside(*command: str) -> int:
    return run("ip", "netns", "exec", NAMESPACE, *command)


@pytest.mark.promise("lost host")
async def test_a_host_that_vanishes(far: EmbeddedServers) -> None:
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%silence%'"
    url = far.urls.primary.replace("127.0.0.1", OURS)
    with client("listen", url, within=("ip", "netns", "exec", NAMESPACE)) as process:
        try:
            async with sessions(far) as asking:
                await eventually(lambda: asking.fetchval(listening), seconds=30, what="it listens")
                run("ip", "link", "set", ENDS[0], "down")

                async def has_ended() -> bool:
                    return not await asking.fetchval(listening)

                await eventually(has_ended, seconds=30, what="its session ends")
                run("ip", "link", "set", ENDS[0], "up")
                # Its own end has found out, too, and is there again.
                await eventually(lambda: asking.fetchval(listening), seconds=30, what="it is back")
        finally:
            process.kill()
