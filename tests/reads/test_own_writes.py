"""A service never sees an older state than it wrote, whichever process it asks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from app.embedded.servers import EmbeddedServers
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from storage.shards import Shards
from tests.reads.api_processes import api_processes
from tests.reads.conftest import replay_stop_and_go
from tests.reads.interleaving import Interleaving
from tests.servers import urls_of

PAIRS = 1_000


def interleaved(
    servers: EmbeddedServers, folder: Path, *, pairs: int, without: str | None = None
) -> Interleaving:
    """What several clients saw through three API processes, with a replica that is held back."""
    urls = urls_of(servers)

    async def run() -> Interleaving:
        shards = Shards(urls)
        name = f"reads-{uuid4()}"
        key = await bootstrap_key(BootstrapKey(service_name=name, now=datetime.now(UTC)), shards)
        await shards.close()
        made = Interleaving(processes, key, seed=4)
        async with replay_stop_and_go(servers):
            await made.run(clients=6, pairs=pairs)
        return made

    with api_processes(urls, folder, count=3, without=without) as processes:
        return asyncio.run(run())


@pytest.mark.promise("own writes")
def test_a_service_reads_its_own_writes_from_a_replica_that_lags(
    own_servers: EmbeddedServers, tmp_path: Path
):
    seen = interleaved(own_servers, tmp_path, pairs=PAIRS)
    assert seen.violations == []
    assert seen.pairs >= PAIRS


@pytest.mark.parametrize("guard", ["lsn_check", "version_check"])
def test_without_either_guard_it_would_not(
    own_servers: EmbeddedServers, tmp_path: Path, guard: str
):
    seen = interleaved(own_servers, tmp_path, pairs=PAIRS, without=guard)
    assert seen.violations
