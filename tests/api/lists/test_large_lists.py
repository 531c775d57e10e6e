"""A page of a list ends before it is larger than 4 MB, and the list goes on behind it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from storage.cache.page_bytes import PAGE_BYTES
from tests.api.conftest import FAR
from tests.processes import System

JobBody = Callable[..., dict[str, Any]]
JOBS = 34
"""Two pages and a bit."""
BODY_BYTES = 250_000


@pytest.fixture(scope="module")
def client(system: System) -> Iterator[httpx.Client]:
    with system.client(f"large-{uuid4()}") as calling:
        yield calling


def service_of(client: httpx.Client) -> str:
    service: str = client.get("/me").json()["service_id"]
    return service


@pytest.fixture(scope="module")
def jobs(client: httpx.Client) -> list[str]:
    """Large jobs, oldest first; every other one is a few bytes for Postgres."""
    made = []
    for number in range(JOBS):
        text = "x" * BODY_BYTES if number % 2 else secrets.token_hex(BODY_BYTES // 2)
        target = {"type": "http", "url": "http://127.0.0.1:9/", "body": text}
        body = {"name": "large", "tags": ["large"], "schedule": FAR, "target": target}
        answer = client.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
    return made


def pages(client: httpx.Client, path: str, **asked: Any) -> Iterator[httpx.Response]:
    while True:
        answer = client.get(path, params={"limit": 200, **asked})
        assert answer.status_code == 200, answer.text
        yield answer
        asked["cursor"] = answer.json()["next_cursor"]
        if asked["cursor"] is None:
            return


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"order": "asc"},
        {"tag": "large"},
        {"sort": "updated"},
        {"sort": "next_fire", "search": "large"},
        {"sort": "last_run"},
        {"fields": "id,name"},
    ],
)
def test_pages_of_large_jobs_are_short_and_hold_each_once(
    client: httpx.Client, jobs: list[str], asked: dict[str, str]
) -> None:
    found = []
    for page in pages(client, "/jobs", **asked):
        assert len(page.content) < PAGE_BYTES + 1_024
        found.append([item["id"] for item in page.json()["items"]])
    assert len(found) == 3
    assert sorted(chain.from_iterable(found)) == sorted(jobs)


def test_a_page_that_no_process_has_in_memory_is_the_same(
    client: httpx.Client, jobs: list[str], other_system: System
) -> None:
    with httpx.Client(base_url=other_system.url, headers=client.headers) as other:
        for here, there in zip(pages(client, "/jobs"), pages(other, "/jobs"), strict=True):
            assert here.json() == there.json()


def run(url: str, statement: str, *arguments: object) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statement, *arguments)
        await connection.close()

    asyncio.run(execute())


def test_pages_of_large_calendars_are_short_and_hold_each_once(
    system: System, client: httpx.Client
) -> None:
    days = ",".join(map(str, range(1, 220)))
    rule = f"DTSTART:20200101T000000\nRRULE:FREQ=YEARLY;BYYEARDAY={days}"
    exclude = [{"rrule": rule}] * 100
    assert client.put("/calendars/c0", json={"exclude": exclude}).is_success
    run(
        system.urls.primary,
        "INSERT INTO calendars SELECT service_id, 'c' || n, description, exclude, version,"
        " created_at, updated_at FROM calendars, generate_series(1, 59) AS n"
        f" WHERE name = 'c0' AND service_id = '{service_of(client)}'",
    )
    sizes, names = [], []
    for page in pages(client, "/calendars"):
        sizes.append(len(page.content))
        names += [item["name"] for item in page.json()["items"]]
    assert max(sizes) < PAGE_BYTES
    assert min(sizes[:-1]) > PAGE_BYTES * 0.9
    assert sorted(names) == sorted({f"c{n}" for n in range(60)})


def test_pages_of_large_entries_of_the_audit_are_short_and_hold_each_once(
    system: System, client: httpx.Client
) -> None:
    run(
        system.urls.primary,
        "INSERT INTO audit (service_id, at, id, principal, action, object_id, request_id, details)"
        " SELECT $1, now() - n * interval '1 millisecond', gen_random_uuid(), 'key:x',"
        " 'job.updated', gen_random_uuid(), 'r', json_build_object('n', n, 'x',"
        " repeat('x', 100000)) FROM generate_series(1, 60) AS n",
        service_of(client),
    )
    found = []
    for page in pages(client, "/audit", action="job.updated"):
        assert len(page.content) < PAGE_BYTES
        found.append([item["details"]["n"] for item in page.json()["items"]])
    assert [*chain.from_iterable(found)] == list(range(1, 61))
    assert len(found) == 2
