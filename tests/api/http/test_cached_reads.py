"""What was asked before is read past Litestar: as right, and as closed, as through it."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.edge import cached_reads
from app.edge.cached_reads import Remembered
from app.routes import jobs
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.filters.job_filter import JobFilter, JobOrder
from queries.jobs.list_jobs import ListJobs
from storage.cache.read_cache import Loaded
from storage.postgres.pools import Driver
from storage.shards import Shard, Shards
from storage.urls import ShardUrls
from tests.api.application import app_with
from tests.api.problems import problem

URL = "/jobs?limit=7"
JOB = {
    "name": "listed",
    "schedule": {"after": "P30D"},
    "target": {"type": "http", "url": "http://target.example/"},
}
SECRET = "insides: password at /etc/tocsin"
pytestmark = pytest.mark.usefixtures("system")  # it brings the tables
MakeKey = Callable[[str | None], Awaitable[dict[str, str]]]


@pytest.fixture
async def api(urls: ShardUrls) -> AsyncIterator[httpx.AsyncClient]:
    """An application of the test's own, which nobody has asked for anything."""
    async with app_with(urls) as client:
        yield client


@pytest.mark.parametrize("length", [6, 160, 1_100])
def test_what_is_remembered_of_urls_is_bounded_in_bytes(length: int) -> None:
    remembered = Remembered()
    order, now = JobOrder(), datetime.now(UTC)

    def remember(number: int) -> None:
        tags = tuple(f"{number:04x}{tag:x}" for tag in range(length))
        query = b"".join(b"&tag=%b" % tag.encode() for tag in tags)
        scope: Any = {"raw_path": b"/jobs", "query_string": query, "path_template": "/jobs"}
        asked = ListJobs(
            service_id=uuid4(),
            chosen=JobFilter(tags=tags),
            order=order,
            fields=(),
            limit=50,
            after=None,
            now=now,
            cursor_of=lambda _: None,
        )
        remembered.remember(scope, asked)

    tracemalloc.start()
    for number in range(40_000 * 6 // length):
        remember(number)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < cached_reads.REMEMBERED_BYTES


@pytest.fixture
async def key_of(urls: ShardUrls) -> AsyncIterator[MakeKey]:
    """Makes what authorises requests of a service, or of the operator."""
    shards = Shards(urls)

    async def make(service: str | None) -> dict[str, str]:
        command = BootstrapKey(service_name=service, now=datetime.now(UTC))
        return {"authorization": f"Bearer {await bootstrap_key(command, shards)}"}

    yield make
    await shards.close()


@pytest.fixture
async def asker(api: httpx.AsyncClient, key_of: MakeKey) -> dict[str, str]:
    """The key of a service that has asked for a list."""
    key = await key_of(f"asker-{uuid4()}")
    assert (await api.get(URL, headers=key)).json() == {"items": [], "next_cursor": None}
    return key


@pytest.fixture
def long_way_closed(asker: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, a list or a job that Litestar is asked for is an error."""

    async def closed(*_: object) -> object:
        raise LookupError(SECRET)

    monkeypatch.setattr(jobs, "list_jobs", closed)
    monkeypatch.setattr(jobs, "get_job", closed)


@pytest.mark.usefixtures("long_way_closed")
async def test_a_list_that_changed_is_read_anew(
    api: httpx.AsyncClient, asker: dict[str, str]
) -> None:
    for count in (1, 2):
        made = (await api.post("/jobs", json=JOB, headers=asker)).json()
        answer = await api.get(URL, headers=asker)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["items"][0] == made
        assert len(answer.json()["items"]) == count
        known = {**asker, "If-None-Match": answer.headers["etag"]}
        assert (await api.get(URL, headers=known)).status_code == 304
    problem(await api.get("/jobs?limit=8", headers=asker), 500)  # the way is closed indeed


async def test_a_job_that_no_cache_has_is_read_anew(
    api: httpx.AsyncClient,
    asker: dict[str, str],
    key_of: MakeKey,
    request: pytest.FixtureRequest,
) -> None:
    made = (await api.post("/jobs", json=JOB, headers=asker)).json()
    path = f"/jobs/{made['id']}"
    await api.get(path, headers=asker)
    request.getfixturevalue("long_way_closed")
    keys = f"/services/{(await api.get('/me', headers=asker)).json()['service_id']}/keys"
    key = await api.post(keys, json={"name": "more", "scopes": ["read"]}, headers=asker)
    revoked = await api.delete(f"{keys}/{key.json()['id']}", headers=asker)
    assert revoked.status_code == 204  # which makes void all that is cached of the service
    answer = await api.get(path, headers=asker)
    assert (answer.status_code, answer.json()) == (200, made)
    # To others it is not there, which the long way tells.
    problem(await api.get(path, headers=await key_of(f"other-{uuid4()}")), 500)


@pytest.mark.usefixtures("long_way_closed")
async def test_each_service_gets_its_own_list(
    api: httpx.AsyncClient, asker: dict[str, str], key_of: MakeKey
) -> None:
    other = await key_of(f"other-{uuid4()}")
    mine, theirs = [
        (await api.post("/jobs", json=JOB, headers=key)).json()["id"] for key in (asker, other)
    ]
    for key, job_id in ((asker, mine), (other, theirs)) * 2:
        items = (await api.get(URL, headers=key)).json()["items"]
        assert [item["id"] for item in items] == [job_id]


async def test_who_may_not_read_is_refused_whoever_asked_before(
    api: httpx.AsyncClient, asker: dict[str, str], key_of: MakeKey
) -> None:
    me = (await api.get("/me", headers=asker)).json()
    keys = f"/services/{me['service_id']}/keys"
    made = await api.post(keys, json={"name": "writes", "scopes": ["write"]}, headers=asker)
    for _ in range(2):
        problem(await api.get(URL), 401)
        problem(await api.get(URL, headers={"authorization": f"Bearer {made.json()['key']}"}), 403)
        # An operator has no jobs: a service must be named.
        problem(await api.get(URL, headers=await key_of(None)), 400)


async def test_a_list_is_read_as_of_now(
    api: httpx.AsyncClient, asker: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ListJobs] = []

    load = ListJobs.load

    async def noting(query: ListJobs, driver: Driver, shard: Shard) -> Loaded:
        asked.append(query)
        return await load(query, driver, shard)

    monkeypatch.setattr(ListJobs, "load", noting)
    for _ in range(2):
        began = datetime.now(UTC)
        await api.post("/jobs", json=JOB, headers=asker)
        await api.get(URL, headers=asker)
        assert asked[-1].now > began
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("error", "status"), [(ConnectionRefusedError(SECRET), 503), (LookupError(SECRET), 500)]
)
async def test_what_goes_wrong_is_told_as_on_the_long_way(
    api: httpx.AsyncClient,
    asker: dict[str, str],
    error: Exception,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: Any) -> Loaded:
        raise error

    monkeypatch.setattr(ListJobs, "load", fail)
    await api.post("/jobs", json=JOB, headers=asker)
    answer = await api.get(URL, headers=asker)
    problem(answer, status)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert SECRET not in answer.text
