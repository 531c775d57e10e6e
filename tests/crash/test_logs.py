"""Whatever goes wrong, no log has what somebody stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.embedded.servers import EmbeddedServers
from tests.processes import System, wait_until
from tests.servers import started_servers, urls_of

PLANTED = "planted-where-no-log-may-have-it"
TARGET = {
    "type": "http",
    "url": f"http://127.0.0.1:9/?token={PLANTED}",
    "headers": {"Authorization": f"Bearer {PLANTED}"},
    "body": {"password": PLANTED},
}
JOB = {"schedule": {"after": "P1D"}, "target": TARGET}
# Where the server that a statement waits at dies, or its session: each command that holds a value.
LOCKED = ("jobs", "calendars", "secrets", "idempotency_keys", "runs")
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND application_name = 'tocsin'
"""


@pytest.fixture(scope="module")
def servers(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServers]:
    """Of this file's own: they are killed."""
    with started_servers(tmp_path_factory.mktemp("servers"), durable=True, seed=seed) as embedded:
        yield embedded


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what the processes print."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def crowd(servers: EmbeddedServers, folder: Path) -> Iterator[System]:
    """One process of each kind, which say all that they ever say."""
    with System(urls_of(servers), folder) as running:
        running.environment["TOCSIN_LOG_LEVEL"] = "debug"
        running.migrate()
        running.start("api", "dispatcher", "worker", "clock")
        yield running


@asynccontextmanager
async def connected(servers: EmbeddedServers) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(servers.primary.url)
    try:
        yield connection
    finally:
        connection.terminate()


def commands(client: httpx.Client, job: str, service_id: str) -> list[httpx.Response]:
    """All that stores a value that is nobody's business, at once."""

    def send(method: str, path: str, body: Any) -> httpx.Response:
        key = {"idempotency-key": str(uuid4())} if method == "POST" else {}
        return client.request(method, path, json=body, headers=key)

    asked = [
        ("PATCH", f"/jobs/{job}", {"target": TARGET, "description": PLANTED}),
        ("POST", "/jobs", {**JOB, "description": PLANTED}),
        ("PUT", "/calendars/c", {"exclude": [{"date": "2030-01-01"}], "description": PLANTED}),
        ("PUT", f"/services/{service_id}/secrets/s", {"value": PLANTED}),
        ("POST", f"/jobs/{job}/trigger", {}),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda one: send(*one), asked))


def test_no_log_has_what_was_planted(crowd: System, servers: EmbeddedServers, folder: Path) -> None:
    with crowd.client(f"logs-{uuid4()}") as client:
        service_id = client.get("/me").json()["service_id"]
        job = client.post("/jobs", json=JOB).json()["id"]
        asyncio.run(waiting_for_one_that_dies(client, servers, job, service_id))
        wait_until(lambda: client.post("/jobs", json=JOB).is_success, what="the primary is back")
        asyncio.run(refused_by_postgres(client, servers, job, service_id))
        servers.valkey.kill()
        commands(client, job, service_id)
        servers.valkey.start()
        wait_until(lambda: client.post("/jobs", json=JOB).is_success, what="Valkey is back")
        key = client.headers["authorization"].rpartition("_")[2]
    said = {path.name: path.read_text() for path in folder.glob("*.log")}
    assert any("request.unavailable" in text for text in said.values())
    assert any("request.failed" in text for text in said.values())
    for name, text in said.items():
        assert PLANTED not in text, (name, around(text, PLANTED))
        assert key not in text, name
    # What is said suffices to find out what was wrong.
    api = next(text for name, text in said.items() if name.startswith("api"))
    assert "CheckViolationError 23514 of planted" in api
    assert "update_job.py" in api


async def waiting_for_one_that_dies(
    client: httpx.Client, servers: EmbeddedServers, job: str, service_id: str
) -> None:
    async with connected(servers) as holder:
        await holder.execute("BEGIN")
        await holder.execute(f"LOCK TABLE {', '.join(LOCKED)} IN SHARE MODE")
        asking = asyncio.create_task(asyncio.to_thread(commands, client, job, service_id))
        async with connected(servers) as looking, asyncio.timeout(20):
            while await looking.fetchval(WAITING) < 4:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        servers.primary.kill()
        answers = await asking
        assert 503 in {answer.status_code for answer in answers}
    servers.primary.start()


async def refused_by_postgres(
    client: httpx.Client, servers: EmbeddedServers, job: str, service_id: str
) -> None:
    """Postgres tells of a row that it refuses what is in it."""
    refuse = "ADD CONSTRAINT planted CHECK (description NOT LIKE '%planted%') NOT VALID"
    async with connected(servers) as connection:
        for table in ("jobs", "calendars"):
            await connection.execute(f"ALTER TABLE {table} {refuse}")
        answers = await asyncio.to_thread(commands, client, job, service_id)
        assert 500 in {answer.status_code for answer in answers}
        for table in ("jobs", "calendars"):
            await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT planted")


def around(text: str, planted: str) -> str:
    at = text.find(planted)
    return text[max(at - 500, 0) : at + 100]
