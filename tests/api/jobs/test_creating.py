"""Many clients create jobs at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx

from tests.api.conftest import FAR
from tests.processes import System

JOBS, CLIENTS = 60, 16
JOB: dict[str, Any] = {"schedule": FAR, "target": {"type": "actor", "actor": "noop"}}


def all_pages(client: httpx.Client, path: str, **asked: str) -> list[dict[str, Any]]:
    items, cursor = [], {}
    while True:
        page = client.get(path, params={**asked, **cursor}).json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def test_each_sees_its_own_and_all_are_written(system: System) -> None:
    with system.client(f"a-{uuid4()}") as one, system.client(f"b-{uuid4()}") as other:

        def create(number: int) -> tuple[httpx.Client, httpx.Response]:
            client = (one, other)[number % 2]
            made = client.post("/jobs", json={**JOB, "name": f"job {number}"})
            assert made.status_code == 201, made.text
            assert client.get(made.headers["location"]).content == made.content
            newest = client.get("/jobs", params={"limit": 200}).json()["items"]
            assert made.json() in newest
            return client, made

        with ThreadPoolExecutor(CLIENTS) as pool:
            created = list(pool.map(create, range(JOBS)))

        for client in (one, other):
            mine = [made.json() for maker, made in created if maker is client]
            listed = all_pages(client, "/jobs", limit="7")
            assert sorted(listed, key=by_id) == sorted(mine, key=by_id)
            told = all_pages(client, "/audit", action="job.created")
            assert sorted(entry["object_id"] for entry in told) == sorted(map(by_id, mine))
            assert len({entry["request_id"] for entry in told}) == len(mine)


def by_id(job: dict[str, Any]) -> str:
    return str(job["id"])
