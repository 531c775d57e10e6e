"""A database without room, for data or for connections, is 503 and "come again"."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from app.api import create_app
from app.settings import Settings
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.api.problems import problem
from tests.conftest import COMMANDS_DATABASE

JOB = {"schedule": {"after": 3600}, "target": {"type": "http", "url": "http://example.com"}}
FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'could not extend file' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION no_room();
"""


@pytest.fixture
async def client(shards: Shards, commands_urls: ShardUrls) -> AsyncIterator[httpx.AsyncClient]:
    """Calls an API in this process, as a new service."""
    now = datetime.now(UTC)
    key = await bootstrap_key(BootstrapKey(service_name=f"full-{uuid4()}", now=now), shards)
    settings = Settings(primary_url=commands_urls.primary, redis_url=commands_urls.redis)
    app = create_app(settings)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://tocsin",
        headers={"authorization": f"Bearer {key}"},
    ) as calling:
        yield calling
    await app.state.shards.close()


@asynccontextmanager
async def set_up(shards: Shards, begin: str, end: str) -> AsyncIterator[None]:
    async with shards.all()[0].database.driver() as driver:
        await driver.execute(begin)
        try:
            yield
        finally:
            await driver.execute(end)


def is_told_to_come_again(answer: httpx.Response) -> bool:
    assert "reachable" in problem(answer, 503)["detail"]
    return answer.headers["retry-after"] == "1"


@pytest.mark.promise("full database")
@pytest.mark.parametrize("code", ["53100", "53200", "53400", "25P03"])
async def test_no_room_for_data(client: httpx.AsyncClient, shards: Shards, code: str) -> None:
    job = (await client.post("/jobs", json=JOB)).json()["id"]
    async with set_up(shards, FULL.format(code=code), "DROP FUNCTION no_room() CASCADE"):
        # One goes through the driver alone, the other through SQLAlchemy.
        assert is_told_to_come_again(await client.post("/jobs", json=JOB))
        assert is_told_to_come_again(await client.patch(f"/jobs/{job}", json={"name": "new"}))
    assert (await client.post("/jobs", json=JOB)).status_code == 201


async def test_no_room_for_connections(client: httpx.AsyncClient, shards: Shards) -> None:
    limit = f"ALTER DATABASE {COMMANDS_DATABASE} CONNECTION LIMIT "
    async with set_up(shards, limit + "0", limit + "-1"):
        assert is_told_to_come_again(await client.post("/jobs", json=JOB))
        ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert (await client.post("/jobs", json=JOB)).status_code == 201
