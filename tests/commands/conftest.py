"""Jobs and runs of a service of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from storage.postgres.pools import Database
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.firing import Firing


@pytest.fixture
def firing(shards: Shards, caller: Caller) -> Firing:
    """What dispatchers and workers do with the service's jobs."""
    return Firing(shards, caller)


@pytest.fixture
async def quiet(commands_urls: ShardUrls) -> AsyncIterator[Shards]:
    """The shard with a Redis database to whose queue nobody listens."""
    shards = Shards(ShardUrls(primary=commands_urls.primary, redis=f"{commands_urls.redis}/7"))
    yield shards
    await shards.close()


@pytest.fixture
async def other_database(commands_urls: ShardUrls) -> AsyncIterator[Database]:
    """The same database, as another process sees it."""
    made = Database(commands_urls.primary)
    yield made
    await made.close()


@pytest.fixture
async def other_service(shards: Shards) -> Firing:
    """The jobs of a neighbour."""
    named = BootstrapKey(service_name=f"test-{uuid4()}", now=datetime.now(UTC))
    service_id = service_of(await bootstrap_key(named, shards))
    assert service_id is not None
    return Firing(shards, Caller(service_id=service_id, principal="key:other", request_id="test"))
