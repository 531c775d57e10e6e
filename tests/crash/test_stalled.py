"""A dispatcher that stands still within its claim keeps no job from firing for long."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.embedded.servers import EmbeddedServers
from loadtests.sink.process import SinkProcess
from tests.processes import System, runs_of, wait_until
from tests.servers import urls_of
from tests.storage.eventually import eventually

JOBS = 12
FIRED_SECONDS = 60.0
# It has locked jobs, and waits to write their runs.
CLAIMING = """
SELECT count(*) FROM pg_locks AS waiting
JOIN pg_locks AS locked ON locked.pid = waiting.pid AND locked.granted
    AND locked.relation = 'jobs'::regclass AND locked.mode = 'RowShareLock'
WHERE NOT waiting.granted AND waiting.relation = 'runs'::regclass
"""
IN_TRANSACTION = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def stored(client: httpx.Client, sink: SinkProcess, after: float) -> list[str]:
    """The ids of new jobs."""
    target = {"type": "http", "url": f"{sink.url}/ok"}
    body = {"schedule": {"after": after}, "target": target}
    return [client.post("/jobs", json=body).json()["id"] for _ in range(JOBS)]


def all_fire(client: httpx.Client, ids: list[str]) -> None:
    wait_until(
        lambda: all([run["state"] for run in runs_of(client, one)] == ["succeeded"] for one in ids),
        seconds=FIRED_SECONDS,
        what="all jobs fired once",
    )


async def until_some(url: str, question: str) -> None:
    """Return when the count is no longer 0."""
    connection = await asyncpg.connect(url)
    try:
        await eventually(lambda: connection.fetchval(question), seconds=20, what=question)
    finally:
        await connection.close()


@pytest.fixture
def lock(mortal_servers: EmbeddedServers) -> Iterator[Callable[[], None]]:
    """Nobody can write runs, until it is called."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(mortal_servers.urls.primary))
    loop.run_until_complete(connection.execute("BEGIN; LOCK TABLE ONLY runs IN SHARE MODE"))
    yield lambda: loop.run_until_complete(connection.execute("ROLLBACK"))
    loop.run_until_complete(connection.close())
    loop.close()


@pytest.fixture
def alone(mortal_servers: EmbeddedServers, tmp_path: Path) -> Iterator[System]:
    """An API, a worker and a single dispatcher."""
    with System(urls_of(mortal_servers), tmp_path) as system:
        system.migrate()
        system.start("api", "worker", "dispatcher")
        yield system


@pytest.mark.promise("stalled process")
def test_the_others_fire_what_a_stopped_dispatcher_was_about_to_claim(
    alone: System, sink: SinkProcess, request: pytest.FixtureRequest
) -> None:
    first = alone.newest("dispatcher")
    url = alone.urls.primary
    with alone.client(f"stalled-{uuid4()}") as client:
        all_fire(client, stored(client, sink, after=1))  # its statements are prepared now
        let_go: Callable[[], None] = request.getfixturevalue("lock")
        ids = stored(client, sink, after=1)
        asyncio.run(until_some(url, CLAIMING))
        with standing_still(first.pid):
            let_go()
            asyncio.run(until_some(url, IN_TRANSACTION))
            alone.start("dispatcher")
            all_fire(client, ids)
        alone.newest("dispatcher").kill()
        # Its session was ended meanwhile; it goes on with another.
        all_fire(client, stored(client, sink, after=1))
    assert first.is_alive
    assert "dispatcher.claim_failed" in first.text or "catch_up_failed" in first.text
