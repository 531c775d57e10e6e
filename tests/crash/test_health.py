"""Each process says whether it can do its work, while servers go and come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.embedded.ports import free_port
from app.embedded.servers import EmbeddedServers
from tests.processes import NO_TLS, START_SECONDS, System, TocsinProcess, wait_until

NAMES = ("dispatcher", "worker", "clock")


@pytest.fixture(scope="module")
def told(
    mortal_system: System, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Where each process tells of itself."""
    folder: Path = tmp_path_factory.mktemp("health")
    ports = {name: free_port() for name in NAMES}
    begun = [
        TocsinProcess(
            name,
            mortal_system.environment | {"TOCSIN_METRICS_PORT": str(port)},
            folder / f"{name}.log",
        ).start()
        for name, port in ports.items()
    ]
    yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    for process in begun:
        process.kill()


def status(url: str) -> int:
    try:
        return httpx.get(url, timeout=5, verify=NO_TLS).status_code
    except httpx.TransportError:
        return 0


def detail(url: str) -> str:
    return str(httpx.get(url, timeout=5, verify=NO_TLS).json()["detail"])


def becomes(url: str, wanted: int) -> None:
    wait_until(lambda: status(url) == wanted, seconds=START_SECONDS, what=f"{url}: {wanted}")


@pytest.mark.parametrize("name", NAMES)
def test_it_lives_and_is_ready(told: dict[str, str], name: str) -> None:
    becomes(f"{told[name]}/ready", 200)
    assert status(f"{told[name]}/live") == 200


def test_the_clock_tells_when_it_ticked(told: dict[str, str]) -> None:
    becomes(f"{told['clock']}/ready", 200)
    lines = httpx.get(f"{told['clock']}/metrics", verify=NO_TLS).text.splitlines()
    (line,) = (line for line in lines if line.startswith("tocsin_clock_last_tick_seconds "))
    assert float(line.split()[1]) > 1.7e9


def test_a_dispatcher_tells_who_lives(told: dict[str, str]) -> None:
    wanted = {'tocsin_heartbeats{kind="dispatcher"} 1.0', 'tocsin_heartbeats{kind="worker"} 1.0'}

    def shown() -> bool:
        return wanted <= set(
            httpx.get(f"{told['dispatcher']}/metrics", verify=NO_TLS).text.splitlines()
        )

    wait_until(shown, what="one of each")


def test_without_the_primary_they_live_and_are_not_ready(
    told: dict[str, str], mortal_servers: EmbeddedServers
) -> None:
    for name in NAMES:
        becomes(f"{told[name]}/ready", 200)
    mortal_servers.primary.kill()
    try:
        for name in ("dispatcher", "worker"):
            becomes(f"{told[name]}/ready", 503)
            assert detail(f"{told[name]}/ready").startswith("primary: ")
            assert status(f"{told[name]}/live") == 200
        assert status(f"{told['clock']}/ready") == 200
    finally:
        mortal_servers.primary.start()
    for name in NAMES:
        becomes(f"{told[name]}/ready", 200)


def test_without_valkey_none_is_ready(
    told: dict[str, str], mortal_servers: EmbeddedServers
) -> None:
    for name in NAMES:
        becomes(f"{told[name]}/ready", 200)
    mortal_servers.valkey.kill()
    try:
        for name in NAMES:
            becomes(f"{told[name]}/ready", 503)
            assert "redis: " in detail(f"{told[name]}/ready")
            assert status(f"{told[name]}/live") == 200
    finally:
        mortal_servers.valkey.start()
    for name in NAMES:
        becomes(f"{told[name]}/ready", 200)
