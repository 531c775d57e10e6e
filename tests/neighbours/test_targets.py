"""Targets that harm whoever rings them; a neighbour's job goes on every second."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage.urls import ShardUrls
from tests.firing.listening import Listening, QuietHandler
from tests.firing.target import Target, created
from tests.processes import System, runs_of, wait_until
from tests.workers.name_server import NameServer, name_server
from workers.targets.http.reading import MOST_BYTES_BESIDE_BODY

NAMES = 60
FIRES = 8
LATE_SECONDS = 3.0
"""Less than a look-up that nobody answers takes; more than a busy machine needs for a run."""


class Trails(QuietHandler):
    """Sends a body and a trailer a little over the bound, and then nothing more."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-trailer: "
        self.wfile.write(head + b"x" * (MOST_BYTES_BESIDE_BODY + 1_024))
        self.wfile.flush()
        self.rfile.read()

    do_POST = answer  # noqa: N815


class Streams(QuietHandler):
    """Sends a body as fast as it is taken, and goes on until nobody takes it."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                self.wfile.write(b"x" * 65_536)

    do_POST = answer  # noqa: N815


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
    with System(urls, tmp_path_factory.mktemp("targets")) as running:
        running.environment["TOCSIN_NAME_SERVERS"] = server.address
        running.migrate()
        running.start("api", "dispatcher", "worker")
        yield running


@pytest.fixture
def flood(system: System) -> Iterator[httpx.Client]:
    with system.client(f"test-{uuid4()}") as calling:
        yield calling


@pytest.fixture
def neighbour(system: System) -> Iterator[httpx.Client]:
    with system.client(f"test-{uuid4()}") as calling:
        yield calling


def every_second(client: httpx.Client, url: str, **policies: str) -> str:
    target = {"type": "http", "url": url}
    return created(client, {"schedule": {"every": 1}, "target": target, **policies})


def loses_nothing(neighbour: httpx.Client, port: str) -> None:
    """Whether a job of the neighbour's has run at each of the next seconds, in time.

    Its runs may overlap: what a busy machine takes longer for than a second is no loss.
    """
    url = f"http://known.example:{port}/{uuid4()}"
    job = every_second(neighbour, url, overlap="allow_all")
    wait_until(lambda: len(ended(neighbour, job)) >= FIRES, seconds=40, what=f"{FIRES} runs")
    runs = ended(neighbour, job)
    assert {run["state"] for run in runs} == {"succeeded"}
    assert [run for run in runs if _took(run) > LATE_SECONDS] == []


def _took(run: dict[str, Any]) -> float:
    """Seconds from when it was to ring until that was done."""
    due, done = (datetime.fromisoformat(run[key]) for key in ("due_at", "finished_at"))
    return (done - due).total_seconds()


def ended(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    return [run for run in runs_of(client, job) if run["finished_at"]]


def test_names_that_nobody_knows_cost_a_neighbour_no_run(
    system: System, server: NameServer, flood: httpx.Client, neighbour: httpx.Client
) -> None:
    with Target(headers={"connection": "close"}) as target:  # so that every ring connects anew
        port = target.url.rpartition(":")[2]
        jobs = [every_second(flood, f"http://silent-{n}.example:{port}/") for n in range(NAMES)]
        wait_until(lambda: len(server.asked) >= 4, what="the first names were asked for")
        loses_nothing(neighbour, port)
        for job in jobs:
            flood.delete(f"/jobs/{job}")
    assert "Traceback" not in system.newest("worker").text


def test_answers_that_go_on_after_their_end_cost_a_neighbour_no_run(
    flood: httpx.Client, neighbour: httpx.Client
) -> None:
    with Target() as target, Listening(Trails) as trailing:
        jobs = [every_second(flood, trailing.url) for _ in range(2)]
        loses_nothing(neighbour, target.url.rpartition(":")[2])
        for job in jobs:
            failed = [run for run in runs_of(flood, job) if run["attempt_count"]]
            assert failed
            attempts = flood.get(f"/runs/{failed[-1]['id']}").json()["attempts"]
            said = "The target answered 200, but its answer has too much that is no body."
            assert attempts[0]["error"] == said
            flood.delete(f"/jobs/{job}")


def test_answers_that_never_end_cost_a_neighbour_no_run(
    flood: httpx.Client, neighbour: httpx.Client
) -> None:
    with Target() as target, Listening(Streams) as streaming:
        # However slow the machine is, its runs end by the bound of bytes.
        endless = {"type": "http", "url": streaming.url, "timeout": 300}
        body = {"schedule": {"every": 1}, "target": endless, "retry": {"max_attempts": 1}}
        jobs = [created(flood, body) for _ in range(4)]
        loses_nothing(neighbour, target.url.rpartition(":")[2])
        for job in jobs:
            over = wait_until(partial(ended, flood, job), seconds=40, what="a run of the flood's")
            run = flood.get(f"/runs/{over[-1]['id']}").json()
            said = "The target answered 200, but its answer is longer than 16 MiB."
            assert run["attempts"][0]["error"] == said
            flood.delete(f"/jobs/{job}")
