"""Sixty jobs ring names whose server does not answer; a neighbour's job goes on every second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from storage.urls import ShardUrls
from tests.firing.target import Target, created
from tests.processes import System, runs_of, wait_until
from tests.workers.name_server import NameServer, name_server

JOBS = 60
FIRES = 8
LATE_SECONDS = 2.0


@contextmanager
def name_server_in_a_thread() -> Iterator[NameServer]:
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    begun = threading.Event()
    servers: list[NameServer] = []

    async def serve() -> None:
        async with name_server() as server:
            servers.append(server)
            begun.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert begun.wait(10)
    yield servers[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with name_server_in_a_thread() as running:
        yield running


@pytest.fixture(scope="module")
def system(
    urls: ShardUrls, server: NameServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    with System(urls, tmp_path_factory.mktemp("names")) as running:
        running.environment["TOCSIN_NAME_SERVERS"] = server.address
        running.migrate()
        running.start("api", "dispatcher", "worker")
        yield running


def test_names_that_nobody_knows_cost_a_neighbour_no_run(
    system: System, server: NameServer
) -> None:
    hang_up = {"connection": "close"}  # so that every ring connects anew
    with (
        Target(headers=hang_up) as target,
        system.client(f"test-{uuid4()}") as flood,
        system.client(f"test-{uuid4()}") as neighbour,
    ):
        port = target.url.rpartition(":")[2]
        for number in range(JOBS):
            url = f"http://silent-{number}.example:{port}/"
            created(flood, {"schedule": {"every": 1}, "target": {"type": "http", "url": url}})
        wait_until(lambda: len(server.asked) >= 4, what="the first names were asked for")
        url = f"http://known.example:{port}/{uuid4()}"
        job = created(neighbour, {"schedule": {"every": 1}, "target": {"type": "http", "url": url}})
        wait_until(lambda: len(ended(runs_of(neighbour, job))) >= FIRES, seconds=40)
        runs = ended(runs_of(neighbour, job))
    assert {run["state"] for run in runs} == {"succeeded"}
    assert [run for run in runs if run["lateness_ms"] > LATE_SECONDS * 1_000] == []
    assert "Traceback" not in system.newest("worker").text


def ended(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [run for run in runs if run["finished_at"]]
