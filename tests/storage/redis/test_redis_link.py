"""One connection to Redis, and what shares it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from storage.redis.connection import Command, RedisAway, RedisLink
from storage.urls import ShardUrls
from tests.storage.eventually import eventually

MANY = 30


@pytest.fixture
async def link(urls: ShardUrls) -> AsyncIterator[RedisLink]:
    made = RedisLink(urls.redis)
    await made.ping()
    yield made
    await made.close()


def echo(number: int) -> Command:
    return ("ECHO", str(number))


async def test_commands_of_a_moment_share_a_round_trip_and_get_each_its_answer(
    link: RedisLink, monkeypatch: pytest.MonkeyPatch
):
    connection = link._connection
    assert connection is not None
    sent, send = 0, connection.send_packed_command

    async def counting(*arguments: object) -> None:
        nonlocal sent
        sent += 1
        await send(*arguments)

    monkeypatch.setattr(connection, "send_packed_command", counting)
    asking = (link.call(lambda _, number=number: echo(number)) for number in range(MANY))
    assert await asyncio.gather(*asking) == [str(number).encode() for number in range(MANY)]
    assert sent <= 2


async def test_what_redis_refuses_ends_the_connection_and_the_next_one_answers(link: RedisLink):
    refused = await asyncio.gather(
        link.call(lambda _: ("ECHO",)), link.call(lambda _: echo(1)), return_exceptions=True
    )
    assert [type(answer) for answer in refused] == [RedisAway, RedisAway]

    async def answers() -> bool:
        try:
            return bool(await link.call(lambda _: echo(2)) == b"2")
        except RedisAway:
            return False

    await eventually(answers, what="Redis is asked again")


async def test_whoever_gives_up_does_not_mix_up_the_answers(link: RedisLink):
    gone = asyncio.create_task(link.call(lambda _: echo(1)))
    await asyncio.sleep(0)
    gone.cancel()
    assert await link.call(lambda _: echo(2)) == b"2"


async def test_after_the_end_nothing_is_asked_and_nothing_stays_open(link: RedisLink):
    asking = asyncio.gather(
        *(link.call(lambda _: echo(1)) for _ in range(MANY)), return_exceptions=True
    )
    await asyncio.sleep(0)
    await link.close()
    await asking
    with pytest.raises(RedisAway):
        await link.call(lambda _: echo(1))
    assert link._connection is None
