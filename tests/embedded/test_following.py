"""A supervised replica that lost touch with its primary is built anew while everything runs."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import asyncpg
import pytest

from app.embedded.servers import EmbeddedServers
from app.up.child import Backoff
from app.up.embedded import Patience, keep_following, start_server
from app.up.prefixed_output import PrefixedOutput
from app.up.supervisor import Supervisor
from tests.embedded.databases import as_superuser

# The slot is in use again half a second after its user was sent away: both in one go.
CUT_OFF = """
DO $$ BEGIN
    PERFORM pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots;
    PERFORM pg_drop_replication_slot('tocsin_replica');
END $$
"""


async def cut_off(connection: asyncpg.Connection) -> bool:
    """Drop the replica's slot, unless the replica was quicker to use it again."""
    try:
        await connection.execute(CUT_OFF)
    except asyncpg.ObjectInUseError:
        return False
    return True


@pytest.mark.usefixtures("servers_before")
async def test_a_replica_that_lost_its_slot_is_rebuilt(data_dir: Path) -> None:
    servers = EmbeddedServers(data_dir, durable=False)
    screen = io.StringIO()
    supervisor = Supervisor(PrefixedOutput(screen), backoff=Backoff())
    try:
        await start_server(servers.primary, supervisor)
        await start_server(servers.replica, supervisor)
        built_first = servers.replica.directory.stat().st_ino
        watch = asyncio.create_task(
            keep_following(servers.replica, supervisor, Patience(interval=0.1, looks=2))
        )
        connection = await asyncpg.connect(as_superuser(servers))
        async with asyncio.timeout(30):
            while not await cut_off(connection):
                pass
        await connection.close()
        async with asyncio.timeout(30):
            while not (  # noqa: ASYNC110 (processes send no event)
                servers.replica.directory.exists()
                and servers.replica.directory.stat().st_ino != built_first
                and servers.replica.is_ready()
            ):
                await asyncio.sleep(0.05)
            watch.cancel()
            while not await asyncio.to_thread(servers.replica.is_following):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await supervisor.stop()
    assert "starting it again" not in screen.getvalue()
