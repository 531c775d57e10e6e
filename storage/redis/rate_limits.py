"""How much of its rate limits each caller has used, in Redis, for all processes."""

from __future__ import annotations

from itertools import islice
from typing import Any

from msgspec import Struct

from storage.postgres.batches import Batches
from storage.redis.connection import RedisLink
from storage.redis.memory import ALWAYS

WINDOW_SECONDS = 60

# The generic cell rate algorithm (ITU-T I.371): of each bucket only the instant is kept at which it
# will be full again. What is asked for is granted as far as every bucket of the ask allows, and is
# taken from all of them. KEYS: buckets. ARGV: window in microseconds; then for each ask how much is
# wanted, of how many buckets, and of each its limit a window. Answers, for each ask: how much is
# granted, in how many microseconds more would be; then of each bucket what is left and in how many
# microseconds it is full.
_LUA = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[1])
local answers, argument, key = {}, 2, 0
while argument <= #ARGV do
    local granted, buckets = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
    local full_at, later = {}, 0
    for i = 1, buckets do
        local interval = window / ARGV[argument + 1 + i]
        full_at[i] = math.max(tonumber(redis.call('GET', KEYS[key + i]) or 0), now)
        local allowed = math.floor((now + window - full_at[i]) / interval + 0.000001)
        if allowed < 1 then later = math.max(later, full_at[i] + interval - window - now) end
        granted = math.min(granted, allowed)
    end
    granted = math.max(granted, 0)
    answers[#answers + 1] = granted
    answers[#answers + 1] = math.ceil(later)
    for i = 1, buckets do
        local interval = window / ARGV[argument + 1 + i]
        local at = full_at[i] + granted * interval
        if granted > 0 then
            local kept = math.ceil((at - now) / 1000) + 1
            redis.call('SET', KEYS[key + i], string.format('%.0f', at), 'PX', kept)
        end
        answers[#answers + 1] = math.floor((now + window - at) / interval + 0.000001)
        answers[#answers + 1] = math.ceil(at - now)
    end
    argument, key = argument + 2 + buckets, key + buckets
end
return answers
"""
_TAKE = ALWAYS + _LUA


class Bucket(Struct, frozen=True):
    """Attributes:
    name: Whose it is, and of what.
    limit: What it holds, and what flows back within the window.
    """

    name: str
    limit: int


class Level(Struct, frozen=True):
    """Attributes:
    left: What of a bucket is left.
    full_seconds: In how many seconds it will be full.
    """

    left: int
    full_seconds: float


class Grant(Struct, frozen=True):
    """Attributes:
    count: How much may be used; it is taken already.
    later_seconds: Where that is nothing: when it would be one.
    levels: Of the buckets, in their order.
    """

    count: int
    later_seconds: float
    levels: tuple[Level, ...]


class _Ask(Struct, frozen=True, eq=False):  # two asks for the same are two
    buckets: tuple[Bucket, ...]
    count: int


class RateLimits:
    """Buckets that all processes share; asks at about the same time share one round trip.

    Args:
        window_seconds: Within how long what a bucket holds flows back.
    """

    def __init__(self, link: RedisLink, window_seconds: int = WINDOW_SECONDS) -> None:
        self._link = link
        self._window_seconds = window_seconds
        self._asks: Batches[_Ask, Grant] = Batches(self._take)

    async def take(self, buckets: tuple[Bucket, ...], count: int) -> Grant:
        """Take up to so much out of every one of the buckets.

        Raises:
            RedisAway: When Redis does not answer in time.
        """
        return await self._asks.answer(_Ask(buckets, count))

    async def _take(self, asks: list[_Ask]) -> dict[_Ask, Grant]:
        names = [bucket.name for ask in asks for bucket in ask.buckets]
        arguments = [
            value
            for ask in asks
            for value in (ask.count, len(ask.buckets), *(bucket.limit for bucket in ask.buckets))
        ]
        answers = iter(
            await self._link.call(
                lambda epoch: (
                    "EVAL",
                    _TAKE,
                    len(names),
                    *(f"{epoch}:rate:{name}" for name in names),
                    self._window_seconds * 1_000_000,
                    *arguments,
                )
            )
        )
        return {ask: _grant(list(islice(answers, 2 + 2 * len(ask.buckets)))) for ask in asks}


def _grant(answer: list[Any]) -> Grant:
    count, later, *levels = answer
    return Grant(
        count,
        later / 1_000_000,
        tuple(
            Level(left, full / 1_000_000)
            for left, full in zip(levels[::2], levels[1::2], strict=True)
        ),
    )
