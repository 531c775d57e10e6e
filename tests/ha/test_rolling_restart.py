"""Every process is replaced, one after the other, behind nginx and under load."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.embedded.ports import free_port
from loadtests.sink.process import SinkProcess
from storage.urls import ShardUrls
from tests.ha.traffic import Outcome, traffic
from tests.processes import NO_TLS, System, wait_until
from tests.proxy.nginx import nginx_before

NAMES = ("api", "dispatcher", "worker", "clock")
CLIENTS = 4


@pytest.fixture
def halves(urls: ShardUrls, tmp_path: Path) -> Iterator[list[System]]:
    """All of Tocsin twice on the same servers, as on two machines."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with System(urls, folders[0]) as first, System(urls, folders[1]) as second:
        first.migrate()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda half: half.start(*NAMES), (first, second)))
        yield [first, second]


@pytest.fixture
def front(halves: list[System], tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the nginx before them, as a service."""
    folder = tmp_path / "nginx"
    folder.mkdir()
    servers = [f"127.0.0.1:{half.port}" for half in halves]
    with (
        nginx_before(servers, folder, free_port()) as url,
        halves[0].client(f"ha-{uuid4()}") as client,
    ):
        client.base_url = httpx.URL(url)
        wait_until(lambda: _answers(client), what=f"nginx answers, see {folder}/nginx.log")
        yield client


def test_nobody_notices(halves: list[System], front: httpx.Client, sink: SinkProcess) -> None:
    longest = 0.0
    with traffic(front, sink, threads=CLIENTS) as made:
        for half in halves:
            for name in NAMES:
                longest = max(longest, _replace(half, name))
                made.wait_for_writes(20)
        made.stop()
        outcome = Outcome(front, sink, made)
        outcome.tell(made, restart=longest)
        assert not made.failed
        outcome.rang_once()
        # What a process had in hand waits for another one, never for the one that replaces it.
        assert outcome.lateness < longest
    assert all(half.every(name) for half in halves for name in NAMES)


def _replace(half: System, name: str) -> float:
    """Stop a process, start another, and return how long that took, in seconds."""
    began = time.monotonic()
    # Uvicorn ends by the signal itself when it has done all that it had to.
    assert half.newest(name).stop() in {0, -signal.SIGTERM}
    half.start(name)
    seconds = time.monotonic() - began
    if name == "api":
        # As one waits for a pod to be ready: nginx leaves alone for 2 s what was away.
        wait_until(lambda: _is_asked(half), what="nginx asks the new process")
    return seconds


def _is_asked(half: System) -> bool:
    return 'route="/jobs"' in httpx.get(f"{half.url}/metrics", verify=NO_TLS).text


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False
