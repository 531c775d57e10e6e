"""Schedules that cost much to reckon do not hold up a neighbour's runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from storage.urls import ShardUrls
from tests.neighbours.neighbour import Neighbour, keeps_to_its_memory
from tests.processes import System, wait_until

DAY = timedelta(days=1)
CATCH_UP = {"window": "P2D", "coalesce": "all", "limit": 1_000}
MAKE_LATE = """
UPDATE jobs SET next_fire_for = now() - interval '1 day', next_claim_at = now() - interval '1 day',
    accounted_to = now() - interval '1 day'
WHERE name = 'costly'
"""


@pytest.fixture
def crowd(urls: ShardUrls, tmp_path: Path) -> Iterator[System]:
    with System(urls, tmp_path) as running:
        running.migrate()
        running.start("api", "dispatcher", "worker")
        yield running


def put_calendars(client: httpx.Client) -> None:
    for hour, name in enumerate(("one", "other")):
        rules = [
            {
                "rrule": f"DTSTART:20200101T{hour:02}{n % 60:02}{n // 60:02}\n"
                "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=1"
            }
            for n in range(90)
        ]
        assert client.put(f"/calendars/{name}", json={"exclude": rules}).is_success


async def make_late(url: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(MAKE_LATE)
    await connection.close()


def costly_job(client: httpx.Client, url: str) -> str:
    body: dict[str, Any] = {
        "name": "costly",
        "schedule": {"every": "PT1S", "exclude": [{"calendar": "one"}, {"calendar": "other"}]},
        "target": {"type": "http", "url": f"{url}/ok"},
        "catchup": CATCH_UP,
        "overlap": "allow_all",
    }
    made = client.post("/jobs", json=body)
    assert made.status_code == 201, made.text
    path: str = made.headers["location"]
    return path


def test_costly_schedules_hold_up_nobody(crowd: System, sink: Any, urls: ShardUrls) -> None:
    with crowd.client(f"test-{uuid4()}") as attacker, crowd.client(f"test-{uuid4()}") as calling:
        neighbour = Neighbour(calling, sink.url)
        put_calendars(attacker)
        jobs = [costly_job(attacker, sink.url) for _ in range(5)]
        neighbour.has_run(3)
        asyncio.run(make_late(urls.primary))
        now = datetime.now(UTC)
        backfill = {
            "start": (now - timedelta(seconds=6_000)).isoformat(),
            "end": now.isoformat(),
            "dry_run": True,
        }
        with ThreadPoolExecutor(6) as pool:
            asked = [
                pool.submit(attacker.post, f"{path}/backfills", json=backfill) for path in jobs
            ]
            asked += [
                pool.submit(attacker.get, f"{path}/preview", params={"count": 1_000})
                for path in jobs
            ]
            # Each of these is answered while the others are reckoned, by the same process.
            neighbour.has_run(10)
        answers = [one.result() for one in asked]
        assert {answer.status_code for answer in answers} <= {200, 202, 503}
        told = [answer.json()["continues_at"] for answer in answers if answer.status_code != 503]
        assert any(told)
        wait_until(lambda: len(neighbour.runs()) >= 13, what="runs of the neighbour")
        neighbour.lost_none()
        for name in ("api", "dispatcher", "worker"):
            keeps_to_its_memory(crowd.newest(name))
