"""What keys are good for is kept, and what was revoked is refused by all at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from app.embedded.servers import EmbeddedServers
from storage.cache.authorization_cache import CachedAnswer
from storage.cache.cache_entry import LIFE
from storage.postgres.pools import Driver
from tests.reads.client import ReadingClient, now
from tests.storage.reading import replay_paused


class Asked:
    """Reads an answer that counts how often Postgres was asked for it."""

    def __init__(self, client: ReadingClient, ends_in: timedelta | None = None) -> None:
        self.times = 0
        self._client = client
        self._ends_in = ends_in
        self._name = str(uuid4())

    async def read(self, after: timedelta = timedelta(0)) -> int:
        instant = now() + after
        service_id = self._client.caller.service_id

        async def load(_: Driver) -> CachedAnswer[int]:
            self.times += 1
            ends = None if self._ends_in is None else instant + self._ends_in
            return CachedAnswer(self.times, ends)

        shard = self._client.shards.of(service_id)
        return await shard.read_authorization(service_id, self._name, instant, load)


async def test_a_key_that_was_revoked_is_found_nowhere_though_the_replica_lags(
    here: ReadingClient, there: ReadingClient, own_servers: EmbeddedServers
):
    key_id, key = await here.create_key()
    assert [await client.found(key) is not None for client in (here, there)] == [True, True]
    async with replay_paused(own_servers):
        await here.revoke(key_id)
        assert [await client.found(key) for client in (here, there)] == [None, None]


async def test_commits_that_change_something_else_do_not_void_an_answer(here: ReadingClient):
    await here.create()  # from now on the process knows where the primary is
    asked = Asked(here)
    await asked.read()
    await here.create()
    assert await asked.read() == 1


@pytest.mark.parametrize(
    "void",
    [
        lambda here: here.void(),
        lambda here: here.create_unnoticed(),
    ],
    ids=["a command invalidates it", "Redis forgets"],
)
async def test_an_answer_is_read_anew_when_it_may_have_changed(
    here: ReadingClient, void: Callable[[ReadingClient], Awaitable[object]]
):
    asked = Asked(here)
    assert [await asked.read(), await asked.read()] == [1, 1]
    await void(here)
    assert await asked.read() == 2


async def test_an_answer_ends_when_it_changes_by_itself_and_at_the_end_of_its_life(
    here: ReadingClient,
):
    brief, long = Asked(here, timedelta(seconds=5)), Asked(here)
    assert [await brief.read(), await brief.read(timedelta(seconds=6))] == [1, 2]
    await long.read(timedelta(days=1))
    assert long.times == 1
    await long.read(timedelta(days=1) + LIFE)
    assert long.times == 2


async def test_what_nobody_has_is_not_kept(here: ReadingClient):
    asked = Asked(here, timedelta(0))
    assert [await asked.read(), await asked.read()] == [1, 2]


async def test_an_unknown_key_is_found_as_soon_as_it_exists(here: ReadingClient):
    _, known = await here.create_key()
    prefix, _, _ = known.rpartition("_")
    assert await here.found(f"{prefix}_{uuid4().hex}") is None
    _, key = await here.create_key()
    assert await here.found(key) is not None
