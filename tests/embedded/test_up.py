"""`tocsin up` starts all, keeps it running, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from app.embedded.ports import free_port
from app.embedded.processes import read_pid
from storage.crypto.encryption_keys import parse_encryption_keys
from tests.embedded.databases import eventually
from tests.embedded.up_process import UpProcess


class Start:
    """Starts `up` on one data directory and one port, as often as a test calls it."""

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        self.started: list[UpProcess] = []
        self._data_dir = data_dir

    def __call__(self, *, fault: str = "none", **env: str) -> UpProcess:
        self.started.append(UpProcess(self._data_dir, self.port, fault=fault, **env))
        return self.started[-1]


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """Starts `up`; what still runs at the end, because a test failed, is killed."""
    starting = Start(data_dir)
    yield starting
    for process in starting.started:
        if process.runs:
            family = process.family()
            process.end(signal.SIGKILL)
            for left in family:
                left.kill()


def gone(family: list[psutil.Process]) -> bool:
    return not any(left.is_running() and left.status() != psutil.STATUS_ZOMBIE for left in family)


def server_pid(data_dir: Path, name: str) -> int | None:
    file = "valkey.pid" if name == "valkey" else "postmaster.pid"
    return read_pid(data_dir / "servers" / name / file)


def is_replaced(data_dir: Path, name: str, former: int) -> bool:
    return server_pid(data_dir, name) not in {None, former}


def test_it_starts_prints_a_key_and_a_request_and_stops_without_a_trace(
    start: Start, data_dir: Path
) -> None:
    up = start().ready()
    key_file = data_dir / "demo-key"
    key = key_file.read_text().strip()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    ring_file = data_dir / "encryption-keys"
    assert stat.S_IMODE(ring_file.stat().st_mode) == 0o600
    assert parse_encryption_keys([ring_file.read_text().strip()]).first == "k1"
    assert str(ring_file) in up.shown
    assert ring_file.read_text().partition(":")[2].strip() not in up.shown
    assert f"Demo key: {key}" in up.shown
    assert (
        f"curl -sS http://127.0.0.1:{start.port}/jobs -H 'Authorization: Bearer {key}'" in up.shown
    )
    assert "127.0.0.0/8,::1/128" in up.shown
    family = up.family()
    # Ctrl-C of a terminal reaches the supervisor alone, which stops the others in order.
    assert os.getpgid(up.pid) not in {os.getpgid(child.pid) for child in family}
    assert up.end(signal.SIGTERM) == 0
    assert gone(family)
    assert "Stopping" in up.shown
    assert "ERROR" not in up.shown
    assert "FATAL" not in up.shown


@pytest.mark.usefixtures("servers_before")
def test_the_next_start_keeps_the_key_unless_the_database_does_not_know_it(
    start: Start, data_dir: Path
) -> None:
    start().ready().end(signal.SIGINT)
    key = (data_dir / "demo-key").read_text()
    start().ready().end(signal.SIGINT)
    assert (data_dir / "demo-key").read_text() == key
    (data_dir / "demo-key").write_text("unknown\n")
    up = start().ready()
    assert (data_dir / "demo-key").read_text().startswith("key-of-")
    assert up.end(signal.SIGINT) == 0


@pytest.mark.usefixtures("servers_before")
def test_killed_servers_and_services_come_back(start: Start, data_dir: Path) -> None:
    up = start().ready()
    for name in ("primary", "replica", "valkey"):
        killed = server_pid(data_dir, name)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        eventually(partial(is_replaced, data_dir, name, killed), f"{name} is back")
    for service in (process for process in up.family() if "clock" in process.cmdline()):
        service.kill()
    eventually(lambda: "clock      | was ended by SIGKILL" in up.shown, "the clock's end is told")
    eventually(lambda: any("clock" in p.cmdline() for p in up.family()), "the clock is back")
    assert up.end(signal.SIGTERM) == 0


@pytest.mark.usefixtures("servers_before")
def test_when_it_is_killed_its_services_end_and_the_next_start_takes_over(
    start: Start, data_dir: Path
) -> None:
    up = start().ready()
    family = up.family()
    up.end(signal.SIGKILL)
    following = start().ready()
    assert gone(family)
    assert following.end(signal.SIGTERM) == 0


@pytest.mark.usefixtures("servers_before")
def test_when_it_is_killed_its_servers_end_too(start: Start, data_dir: Path) -> None:
    up = start().ready()
    family = up.family()
    pids = {server_pid(data_dir, name) for name in ("primary", "replica", "valkey")}
    assert pids <= {process.pid for process in family}
    up.end(signal.SIGKILL)
    eventually(lambda: gone(family), "nothing is left")
    # In order: the next start has nothing to recover.
    assert start().ready().end(signal.SIGTERM) == 0


@pytest.mark.usefixtures("servers_before")
def test_a_second_one_on_the_same_data_directory_is_refused(start: Start) -> None:
    up = start().ready()
    second = start()
    assert second.exit_status() == 1
    assert f"already in use by process {up.pid}" in second.shown
    assert up.end(signal.SIGTERM) == 0


def test_an_occupied_port_is_refused_before_anything_starts(start: Start, data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", start.port)):
        up = start()
        assert up.exit_status() == 1
    assert f"Port {start.port} is in use" in up.shown
    assert not (data_dir / "servers").exists()


@pytest.mark.usefixtures("servers_before")
@pytest.mark.parametrize("part", ["migrate", "key", "api"])
def test_a_part_that_cannot_start_ends_it_with_that_part_s_words(start: Start, part: str) -> None:
    up = start(fault=part)
    assert up.exit_status() == 1
    assert re.search(rf"tocsin up: {part}(-\d)? exited with code 1", up.shown)
    assert f"{part} is broken" in up.shown.rpartition("tocsin up:")[2]


def test_with_servers_of_ones_own_nothing_is_embedded(start: Start, data_dir: Path) -> None:
    primary, redis = "postgresql://somewhere/tocsin", "redis://somewhere"
    up = start(TOCSIN_PRIMARY_URL=primary, TOCSIN_REDIS_URL=redis).ready()
    assert f"urls {primary} \n" in up.shown
    assert not (data_dir / "servers").exists()
    assert up.end(signal.SIGTERM) == 0


def test_nothing_is_left_after_a_start_that_is_interrupted(start: Start, data_dir: Path) -> None:
    up = start()
    eventually((data_dir / "servers" / "primary").exists, "the primary is made")
    assert up.end(signal.SIGTERM) == 0
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(data_dir) not in listed.stdout
