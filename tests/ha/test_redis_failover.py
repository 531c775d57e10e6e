"""The primary Valkey dies, a Sentinel too; requests go on, and what was due is rung once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from loadtests.sink.process import SinkProcess
from storage.urls import ShardUrls
from tests.ha.sentinels import SentinelServers
from tests.ha.traffic import Outcome, traffic
from tests.processes import System, wait_until

SOON_SECONDS = 15.0
"""Consumers look again 3 s after an error, and sweeps run every few seconds."""


@pytest.fixture
def sentinels(starts_processes: None, tmp_path: Path) -> Iterator[SentinelServers]:
    """A Valkey, its replica and three Sentinels."""
    with SentinelServers(tmp_path) as running:
        yield running


@pytest.fixture
def watched_system(urls: ShardUrls, sentinels: SentinelServers, tmp_path: Path) -> Iterator[System]:
    """All of Tocsin, which is told of the Sentinels only."""
    there = ShardUrls(primary=urls.primary, replicas=urls.replicas, redis=sentinels.url)
    with System(there, tmp_path) as running:
        running.migrate()
        running.start("api", "dispatcher", "worker", "clock")
        yield running


def test_everything_goes_on_with_the_new_primary(
    watched_system: System,
    sentinels: SentinelServers,
    sink: SinkProcess,
) -> None:
    with watched_system.client(f"ha-{uuid4()}") as client, traffic(client, sink) as made:
        sentinels.kill_sentinel()
        former, began = sentinels.kill_primary(), time.monotonic()
        wait_until(lambda: sentinels.primary_port() not in {0, former}, what="a new primary")
        outage = time.monotonic() - began
        made.wait_for_writes(50)
        made.stop()
        outcome = Outcome(client, sink, made)
        outcome.rang_once()
        outcome.tell(made, outage=outage)
        assert not made.failed
        assert outcome.lateness < outage + SOON_SECONDS
        _check_the_new_primary_is_used(sentinels)
        # The one that was killed returns, and takes nobody with it.
        sentinels.start_again()
        assert client.get("/jobs").status_code == 200
    assert all(watched_system.every(name) for name in ("api", "dispatcher", "worker", "clock"))


def _check_the_new_primary_is_used(sentinels: SentinelServers) -> None:
    """The cache is in its database 0, the broker's queues in 1, with connections to both."""
    with sentinels.primary() as redis:
        wait_until(lambda: redis.info("keyspace").keys() >= {"db0", "db1"}, what="keys in both")
        databases = {one["db"] for one in redis.client_list() if one["cmd"] != "replconf"}
    assert databases >= {"0", "1"}
