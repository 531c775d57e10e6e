"""Jobs and runs of a service of each test's own."""

from __future__ import annotations

import pytest

from domain.caller import Caller
from storage.shards import Shards
from tests.commands.firing import Firing


@pytest.fixture
def firing(shards: Shards, caller: Caller) -> Firing:
    """What dispatchers and workers do with the service's jobs."""
    return Firing(shards, caller)
