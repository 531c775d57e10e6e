"""Servers whose files are damaged: what can be made anew is, and nothing else is touched."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from app.embedded.errors import EmbeddedServerError
from app.embedded.servers import EmbeddedServers
from app.embedded.valkey import KEPT_ASIDE, Valkey
from app.up.child import Backoff
from app.up.embedded import start_server
from app.up.prefixed_output import PrefixedOutput
from app.up.supervisor import Supervisor
from tests.embedded.databases import eventually, replica_catches_up, rows_on_replica, write_row

GARBAGE = b"none of this is what it was"
DAMAGES = {
    "manifest": ("*.manifest", GARBAGE * 50),
    "manifest-empty": ("*.manifest", b""),
    "commands": ("*.incr.aof", GARBAGE),
    "snapshot": ("*.base.rdb", GARBAGE),
    "snapshot-cut": ("*.base.rdb", b"VALKEY080\xfa"),
}


@pytest.fixture
def valkey(data_dir: Path) -> Iterator[Valkey]:
    """A Valkey that is down and holds something."""
    made = EmbeddedServers(data_dir, durable=False).valkey
    made.start()
    with Redis.from_url(made.url) as client:
        client.set("kept", "since the start")
    made.stop()
    yield made
    made.stop()


def keys(valkey: Valkey) -> list[bytes]:
    with Redis.from_url(valkey.url) as client:
        return list(client.keys())


def damage(valkey: Valkey, pattern: str, content: bytes) -> None:
    (file,) = (valkey.directory / "appendonlydir").glob(pattern)
    file.write_bytes(content)


def set_aside(valkey: Valkey) -> list[Path]:
    return sorted(valkey.directory.glob("damaged-*"))


@pytest.mark.promise("damaged files")
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_valkey_starts_empty_and_keeps_the_files(valkey: Valkey, name: str) -> None:
    pattern, content = DAMAGES[name]
    damage(valkey, pattern, content)
    valkey.start()
    assert keys(valkey) == []
    (aside,) = set_aside(valkey)
    assert next(aside.glob(pattern)).read_bytes() == content


def test_a_valkey_that_crashed_while_it_loaded_its_files_sets_them_aside(valkey: Valkey) -> None:
    said = ["=== VALKEY BUG REPORT END. Make sure to include from START to END. ==="]
    assert valkey.mend(said) is not None
    valkey.start()
    assert (keys(valkey), len(set_aside(valkey))) == ([], 1)


def test_few_are_kept(valkey: Valkey) -> None:
    for _ in range(KEPT_ASIDE + 1):
        damage(valkey, *DAMAGES["commands"])
        valkey.start()
        valkey.stop()
    assert len(set_aside(valkey)) == KEPT_ASIDE


def test_a_valkey_whose_port_is_taken_is_not_damaged(valkey: Valkey) -> None:
    taken = pytest.raises(EmbeddedServerError, match="Address already in use")
    with socket.create_server(("127.0.0.1", valkey.port)), taken:
        valkey.start(attempts=1)
    valkey.start()
    assert (keys(valkey), set_aside(valkey)) == ([b"kept"], [])


@pytest.mark.promise("damaged files")
@pytest.mark.usefixtures("servers_before")
async def test_a_damaged_replica_is_copied_anew_and_a_damaged_valkey_emptied_while_all_starts(
    data_dir: Path,
) -> None:
    servers = EmbeddedServers(data_dir, durable=False)
    with servers:
        await asyncio.to_thread(replica_catches_up, servers)
    (servers.replica.directory / "global" / "pg_control").write_bytes(os.urandom(8192))
    damage(servers.valkey, *DAMAGES["manifest"])
    screen = io.StringIO()
    supervisor = Supervisor(PrefixedOutput(screen), backoff=Backoff())
    try:
        async with asyncio.timeout(60):
            for server in servers.servers:
                await start_server(server, supervisor)
        rows = await asyncio.to_thread(write_row, servers)
        await asyncio.to_thread(eventually, lambda: rows_on_replica(servers) == rows, "it follows")
    finally:
        await supervisor.stop()
    shown = screen.getvalue()
    assert "The replica's files are damaged: it is copied anew from the primary." in shown
    assert "Valkey's append-only file is damaged: it is set aside as" in shown


def test_a_damaged_primary_is_told_of_and_left_alone(data_dir: Path) -> None:
    primary = EmbeddedServers(data_dir, durable=False).primary
    primary.prepare()
    control = primary.directory / "global" / "pg_control"
    damaged = os.urandom(8192)
    control.write_bytes(damaged)
    with pytest.raises(EmbeddedServerError, match=r"The primary's files in .* are damaged"):
        primary.start(attempts=1)
    assert control.read_bytes() == damaged
