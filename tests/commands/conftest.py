"""Jobs and runs of a service of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from domain.caller import Caller
from storage.postgres import Database
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.firing import Firing


@pytest.fixture
def firing(shards: Shards, caller: Caller) -> Firing:
    """What dispatchers and workers do with the service's jobs."""
    return Firing(shards, caller)


@pytest.fixture
async def other_database(commands_urls: ShardUrls) -> AsyncIterator[Database]:
    """The same database, as another process sees it."""
    made = Database(commands_urls.primary)
    yield made
    await made.close()
