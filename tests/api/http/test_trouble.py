"""When something is wrong on our side, the caller is told that, and nothing of our insides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from app.api import create_app
from app.edge.authentication.principals import Authentication
from app.embedded.ports import free_port
from app.observability import readiness
from app.observability.readiness import Readiness
from app.settings import Settings
from queries.operations.check_servers import check_servers
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.api.problems import problem
from tests.processes import NO_TLS, START_SECONDS, System, TocsinProcess, wait_until

KEY = "tocsin_" + "0" * 32 + "_" + "A" * 43
BEARER = {"authorization": f"Bearer {KEY}"}
SECRET = "insides: password at /etc/tocsin"


async def broken(*_: object) -> object:
    """An authentication with a bug in it."""
    raise LookupError(SECRET)


async def test_a_bug_is_a_problem_document_without_our_insides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Authentication, "bearer", broken)
    closed = f"127.0.0.1:{free_port()}"
    app = create_app(
        Settings(primary_url=f"postgresql://tocsin@{closed}/tocsin", redis_url=f"redis://{closed}")
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        answer = await client.get("/jobs", headers=BEARER)
    await app.state.shards.close()
    problem(answer, 500)
    for inside in (SECRET, "LookupError", "Traceback", ".py"):
        assert inside not in answer.text


@pytest.fixture(scope="module")
def lonely(starts_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an API whose servers are all away."""
    closed = f"127.0.0.1:{free_port()}"
    folder = tmp_path_factory.mktemp("lonely")
    urls = ShardUrls(primary=f"postgresql://tocsin@{closed}/tocsin", redis=f"redis://{closed}")
    system = System(urls, folder)
    process = TocsinProcess("api", system.environment, folder / "api.log").start()

    def is_live() -> bool:
        try:
            return httpx.get(f"{system.url}/health/live", verify=NO_TLS).status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_live, seconds=START_SECONDS, what="API live")
    yield system.url
    process.kill()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("POST", "/jobs"),
        ("GET", "/runs/0192f3a1-0000-7000-8000-000000000000"),
        ("DELETE", "/jobs/0192f3a1-0000-7000-8000-000000000000"),
    ],
)
def test_without_postgres_callers_are_asked_to_come_back(
    lonely: str, method: str, path: str
) -> None:
    answer = httpx.request(method, lonely + path, headers=BEARER)
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert "127.0.0.1" not in answer.text


def test_without_postgres_what_needs_no_postgres_is_answered(lonely: str) -> None:
    problem(httpx.get(f"{lonely}/nope"), 404)
    problem(httpx.get(f"{lonely}/jobs"), 401)
    assert httpx.get(f"{lonely}/openapi.json").status_code == 200
    assert httpx.get(f"{lonely}/metrics").status_code == 200


def test_without_postgres_it_is_live_and_not_ready(lonely: str) -> None:
    assert httpx.get(f"{lonely}/health/live").json()["status"] == "ok"
    answer = httpx.get(f"{lonely}/health/ready")
    assert answer.status_code == 503
    health = answer.json()
    assert health["status"] == "unavailable"
    assert set(health["servers"]) == {"primary", "redis"}
    # In our words: what a server or the driver says is for the log.
    assert set(health["servers"].values()) == {"does not answer"}


async def test_however_many_ask_the_servers_are_asked_once_a_second(
    urls: ShardUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def check(shards: Shards) -> dict[str, str]:
        nonlocal asked
        asked += 1
        return await check_servers(shards)

    monkeypatch.setattr(readiness, "check_servers", check)
    shards, now = Shards(urls), 0.0
    ready = Readiness(shards, lambda: now)
    said = await asyncio.gather(*(ready.servers() for _ in range(50)))
    assert (asked, said[0]["primary"]) == (1, said[-1]["primary"])
    now = 1.5
    await ready.servers()
    assert asked == 2
    await shards.close()
