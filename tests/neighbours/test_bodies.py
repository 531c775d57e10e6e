"""Runs with large bodies, many more than a worker's memory holds, beside a neighbour's job."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from domain.quotas.limits import LARGEST_PAYLOAD
from storage.urls import ShardUrls
from tests.neighbours.neighbour import Neighbour, keeps_to_its_memory
from tests.processes import System, wait_until

JOBS = 10
LATE_SECONDS = 250
"""Of each job so many runs at once: together 640 MB, where a worker's pod has 512 MiB."""
BODY = secrets.token_hex(LARGEST_PAYLOAD // 2)[: -2 * 1_024]
CATCH_UP = {"window": "PT20M", "coalesce": "all", "limit": 1_000}
MAKE_LATE = f"""
UPDATE jobs SET next_fire_for = now() - interval '{LATE_SECONDS} s',
    next_claim_at = now() - interval '{LATE_SECONDS} s',
    accounted_to = now() - interval '{LATE_SECONDS} s'
WHERE name = 'large'
"""


def large_job(client: httpx.Client, sink_url: str) -> str:
    body: dict[str, Any] = {
        "name": "large",
        "schedule": {"every": "PT1S"},
        "target": {"type": "http", "url": f"{sink_url}/slow/200?large", "body": BODY},
        "catchup": CATCH_UP,
        "overlap": "allow_all",
    }
    made = client.post("/jobs", json=body)
    assert made.status_code == 201, made.text
    path: str = made.headers["location"]
    return path


async def make_late(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(MAKE_LATE)
    await connection.close()


def test_large_bodies_hold_up_nobody(system: System, sink: Any, urls: ShardUrls) -> None:
    with system.client(f"test-{uuid4()}") as flood, system.client(f"test-{uuid4()}") as calling:
        neighbour = Neighbour(calling, sink.url)
        jobs = [large_job(flood, sink.url) for _ in range(JOBS)]
        neighbour.has_run(1)
        before = sink.counts().total
        asyncio.run(make_late(urls.primary))
        neighbour.has_run(6)
        # It rings by and by: more than the worker has in hand at once.
        wait_until(lambda: sink.counts().total > before + 600, seconds=30, what="600 rings")
        for name in ("api", "dispatcher", "worker"):
            keeps_to_its_memory(system.newest(name))
        neighbour.lost_none()
        for path in jobs:
            assert flood.delete(path).is_success
