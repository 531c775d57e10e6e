"""Embedded servers start by themselves after any crash, with all that they had confirmed."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.embedded.errors import DirectoryInUseError, EmbeddedServerError
from app.embedded.lock import DirectoryLock
from app.embedded.servers import EmbeddedServers
from app.up.child import Backoff
from app.up.embedded import start_server
from app.up.prefixed_output import PrefixedOutput
from app.up.supervisor import Supervisor
from tests.embedded.databases import (
    as_superuser,
    ask,
    eventually,
    replica_catches_up,
    rows_on_replica,
    write_row,
)

# Starts servers and waits to be killed.
HOLD = """
import sys, time
from pathlib import Path
from app.embedded.servers import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]), durable=False).start()
print(*(server.pid for server in servers.servers), flush=True)
time.sleep(600)
"""


@pytest.mark.usefixtures("servers_before")
def test_a_killed_server_comes_back_on_its_port_with_its_data(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        replica_catches_up(servers)
        for server in servers.servers:
            port = server.port
            server.kill()
            assert server.pid is None
            server.start()
            assert server.port == port
            replica_catches_up(servers)


@pytest.mark.usefixtures("servers_before")
def test_servers_of_a_killed_process_are_stopped_and_started_again(data_dir: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    leftovers = [int(pid) for pid in holder.stdout.readline().split()]
    with pytest.raises(DirectoryInUseError, match=f"already in use by process {holder.pid}"):
        EmbeddedServers(data_dir).start()
    holder.kill()
    holder.wait(10)
    holder.stdout.close()
    assert all(_runs(pid) for pid in leftovers)
    with EmbeddedServers(data_dir, durable=False) as servers:
        assert not any(_runs(pid) for pid in leftovers)
        replica_catches_up(servers)


@pytest.mark.usefixtures("servers_before")
async def test_what_was_left_behind_is_not_taken_for_the_server_that_starts(
    data_dir: Path,
) -> None:
    """It is ready, and about to be ended: whoever asked it would be cut off."""
    left = EmbeddedServers(data_dir, durable=False)
    await asyncio.to_thread(left.start)
    supervisor = Supervisor(PrefixedOutput(io.StringIO()), backoff=Backoff())
    following = EmbeddedServers(data_dir, durable=False)
    try:
        for server in following.servers:
            await start_server(server, supervisor)
            assert server.pid == supervisor.pids[server.name]
    finally:
        await supervisor.stop()
        left.stop()


@pytest.mark.usefixtures("servers_before")
def test_all_killed_at_once(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        replica_catches_up(servers)
        for server in servers.servers:
            server.kill()
    with EmbeddedServers(data_dir, durable=False) as servers:
        assert write_row(servers) == 2
        replica_catches_up(servers)


def test_half_made_directories_are_made_anew(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False)
    for name in ("primary", "replica"):
        half_made = servers._home / f"{name}.partial"
        half_made.mkdir()
        (half_made / "PG_VERSION").write_text("18\n")
    with servers:
        replica_catches_up(servers)
        assert not list(servers._home.glob("*.partial"))


@pytest.mark.usefixtures("servers_before")
def test_a_stale_pid_file_may_name_a_stranger(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False)
    with servers:
        told = servers.primary.pid_file.read_text()
    stale = told.replace(told.splitlines()[0], str(os.getpid()), 1)
    servers.primary.pid_file.write_text(stale)
    assert not servers.primary.is_ready()
    with servers:
        assert write_row(servers) == 1


@pytest.mark.usefixtures("servers_before")
def test_a_replica_without_its_slot_is_built_anew(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        replica_catches_up(servers)
        servers.replica.stop()
        eventually(lambda: not servers.replica.is_following(), "the replica is gone")
        ask(as_superuser(servers), "SELECT pg_drop_replication_slot('tocsin_replica')")
        write_row(servers)
        servers.replica.start()
        assert rows_on_replica(servers) == 2
        eventually(servers.replica.is_following, "the replica follows")


@pytest.mark.usefixtures("servers_before")
def test_a_discarded_replica_is_built_anew(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        before = servers.replica.directory.stat().st_ino
        servers.replica.restart()
        assert servers.replica.directory.stat().st_ino == before
        servers.replica.discard()
        servers.replica.restart()
        replica_catches_up(servers)
        assert "postmaster.pid" in os.listdir(servers.replica.directory)


def test_a_server_that_does_not_start_says_why(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False)
    servers.primary.prepare()
    (servers.primary.directory / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedServerError, match=r"(?s)primary does not start.*version"):
        servers.start()
    assert not any(server.pid for server in servers.servers)


def test_the_lock_is_held_until_the_last_child_of_a_killed_holder_is_gone(data_dir: Path) -> None:
    holder, child = holder_with_child(data_dir, "600")
    holder.kill()
    holder.wait(10)
    with pytest.raises(DirectoryInUseError, match="its children"):
        DirectoryLock(data_dir, timeout=0.1)
    os.kill(child, signal.SIGKILL)
    DirectoryLock(data_dir, timeout=10.0).close()


def test_a_holder_that_is_dead_and_not_buried_is_waited_for_like_any_other(data_dir: Path) -> None:
    holder, _ = holder_with_child(data_dir, "1")
    holder.kill()
    eventually(lambda: psutil.Process(holder.pid).status() == psutil.STATUS_ZOMBIE, "it is dead")
    DirectoryLock(data_dir).close()
    holder.wait(10)


def holder_with_child(data_dir: Path, seconds: str) -> tuple[subprocess.Popen[str], int]:
    """A process that holds the lock, as does its child, for so long."""
    inherit = (
        "import subprocess, sys; from pathlib import Path;"
        "from app.embedded.lock import DirectoryLock;"
        "lock = DirectoryLock(Path(sys.argv[1]));"
        "child = subprocess.Popen(['sleep', sys.argv[2]], pass_fds=[lock.fileno()]);"
        "print(child.pid, flush=True); child.wait()"
    )
    command = [sys.executable, "-c", inherit, str(data_dir), seconds]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        return holder, int(holder.stdout.readline())


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
