"""SIGKILL of a server, or the loss of all that Redis held, costs time and nothing else."""

from __future__ import annotations

from functools import partial

import pytest
from redis import Redis

from app.embedded.servers import EmbeddedServers
from tests.crash.story import Stories
from tests.processes import System


@pytest.mark.promise("accepted jobs")
def test_the_primary_may_die_and_come_back(
    crowd: System, stories: Stories, mortal_servers: EmbeddedServers
) -> None:
    primary = mortal_servers.primary
    stories.survive(kill=primary.kill, heal=primary.start)


def test_the_replica_may_die_and_come_back(
    crowd: System, stories: Stories, mortal_servers: EmbeddedServers
) -> None:
    replica = mortal_servers.replica
    stories.survive(kill=replica.kill, heal=replica.start)


@pytest.mark.promise("Redis away")
def test_valkey_may_die_and_come_back(
    crowd: System, stories: Stories, mortal_servers: EmbeddedServers
) -> None:
    valkey = mortal_servers.valkey
    stories.survive(kill=valkey.kill, heal=valkey.start)


@pytest.mark.promise("Redis away")
def test_redis_may_forget_everything(crowd: System, stories: Stories) -> None:
    with Redis.from_url(crowd.urls.redis) as redis:
        stories.survive(kill=redis.flushall, heal=lambda: None)


def test_redis_may_be_full(crowd: System, stories: Stories) -> None:
    with Redis.from_url(crowd.urls.redis) as redis:
        most = redis.config_get("maxmemory")["maxmemory"]
        fill = partial(redis.config_set, "maxmemory", 1)
        try:
            stories.survive(kill=fill, heal=lambda: None)
        finally:
            redis.config_set("maxmemory", most)


@pytest.mark.promise("statistics")
def test_in_the_end_each_run_is_counted_once(crowd: System, stories: Stories) -> None:
    assert crowd.every("clock")
    stories.are_counted()
