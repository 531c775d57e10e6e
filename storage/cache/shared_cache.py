"""What all processes share in Redis: each service's last commit, and answers that are cached."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from storage.cache.cache_entry import (
    LSN_DIGITS,
    NUMBER_DIGITS,
    ORDER_DIGITS,
    VERSION_DIGITS,
    CacheEntry,
    ConsistencyToken,
)
from storage.postgres.batches import Batches
from storage.redis.connection import RedisLink
from storage.redis.memory import ALWAYS, CacheRoom

TOKEN_SECONDS = 3_600
"""A service that wrote nothing for so long is looked up on the primary."""

SHARED_BYTES = 32 * 1024
"""What is larger is kept out of Redis: each process reads it from Postgres, and keeps it."""
DOUBT_LSN = LSN_DIGITS * "f"
"""In the token of a service that has committed, where nobody knows how far it has come.

No server has come so far, and nothing cached is so new: older versions ask the primary.
"""
_DOUBT = ConsistencyToken(lsn=int(DOUBT_LSN, 16)).encode() + DOUBT_LSN
_LONG_AGO = datetime.fromtimestamp(0, UTC)

# The LSN of each service is raised, never lowered; its number changes each time. An entry gives
# way to a later version only. KEYS: tokens, entries. ARGV: LSN, a random number, seconds to keep
# tokens, how many services, for each whether all that was cached before is invalid; then value
# and end (in milliseconds) of each entry.
_RECORD = f"""{ALWAYS}local lsn_digits, number_digits = {LSN_DIGITS}, {NUMBER_DIGITS}
local count = tonumber(ARGV[4])
for i = 1, count do
    local lsn, number, invalid = ARGV[1], ARGV[2], string.rep('0', lsn_digits)
    local known = redis.call('GET', KEYS[i])
    if known and string.sub(known, 1, lsn_digits) == '{DOUBT_LSN}' then
        invalid = lsn
    elseif known then
        local known_lsn = string.sub(known, 1, lsn_digits)
        if known_lsn > lsn then lsn = known_lsn end
        local last = tonumber(string.sub(known, lsn_digits + 1, lsn_digits + number_digits), 16)
        number = string.format('%0{NUMBER_DIGITS}x', (last + 1) % 2 ^ 32)
        invalid = string.sub(known, lsn_digits + number_digits + 1)
    end
    if ARGV[4 + i] == '1' and ARGV[1] > invalid then invalid = ARGV[1] end
    redis.call('SET', KEYS[i], lsn .. number .. invalid, 'EX', ARGV[3])
end
for i = count + 1, #KEYS do
    local at = 4 + count + 2 * (i - count) - 1
    local known = redis.call('GETRANGE', KEYS[i], 0, {VERSION_DIGITS} - 1)
    if known < string.sub(ARGV[at], 1, {VERSION_DIGITS}) then
        redis.call('SET', KEYS[i], ARGV[at], 'PXAT', ARGV[at + 1])
    end
end
"""
# What was read at a token that is no longer the last may be older than what was written since.
# KEYS: token and entry of each. ARGV: token, value and end of each.
_FILL = f"""
for i = 1, #KEYS / 2 do
    local seen, value = ARGV[3 * i - 2], ARGV[3 * i - 1]
    if string.sub(redis.call('GET', KEYS[2 * i - 1]) or '', 1, #seen) == seen then
        local known = redis.call('GETRANGE', KEYS[2 * i], 0, {ORDER_DIGITS} - 1)
        if known <= string.sub(value, 1, {ORDER_DIGITS}) then
            redis.call('SET', KEYS[2 * i], value, 'PXAT', ARGV[3 * i])
        end
    end
end
"""


class Looked(Struct, frozen=True):
    """What Redis knows: of a service, and under a name that was asked for."""

    token: ConsistencyToken | None
    entry: CacheEntry | None


class NewCacheEntry(Struct, frozen=True, kw_only=True):
    """What a commit made of an object."""

    name: str
    version: int
    until: datetime
    etag: str
    body: bytes


class CacheChanges(Struct, kw_only=True):
    """What a transaction makes of what is cached of its service.

    Attributes:
        entries: What it made, to be cached.
        invalidates: Whether it changed objects that `entries` does not name; assumed unless told.
    """

    entries: list[NewCacheEntry] = []
    invalidates: bool = True


class Commit(Struct, frozen=True, kw_only=True):
    """A commit of a service.

    Attributes:
        entries: What it made, to be cached.
        invalidates: Whether it changed objects that `entries` does not name.
        after: An LSN that the primary had reached before the commit began.
    """

    service_id: UUID
    entries: tuple[NewCacheEntry, ...] = ()
    invalidates: bool = False
    after: int = 0


class Fill(Struct, frozen=True, kw_only=True):
    """What a query read, to be cached for others."""

    service_id: UUID
    name: str
    entry: CacheEntry


class SharedCache:
    """Redis as the cache of one shard; calls at about the same time share one round trip.

    Every call raises RedisAway when Redis does not answer in time.

    Args:
        room: Tells when nothing more is to be cached.
    """

    def __init__(self, link: RedisLink, room: CacheRoom | None = None) -> None:
        self._link = link
        self._room = room or CacheRoom(link)
        self._looks: Batches[tuple[UUID, str | None], Looked] = Batches(self._look)
        self._fills: Batches[Fill, None] = Batches(self._fill)

    async def look(self, service_id: UUID, name: str | None = None) -> Looked:
        """A service's token, and with it an entry."""
        return await self._looks.answer((service_id, name))

    async def fill(self, fill: Fill) -> None:
        """Cache what was read, unless the service has committed since, or it is too large."""
        if len(fill.entry.body) <= SHARED_BYTES:
            await self._fills.answer(fill)

    async def record(self, commits: Iterable[Commit], lsn: int) -> None:
        """Tell of commits, all of them before `lsn`."""
        invalidates: dict[UUID, bool] = {}
        keys: list[tuple[UUID, str]] = []
        values: list[bytes | int] = []
        for commit in commits:
            invalidates[commit.service_id] = commit.invalidates or invalidates.get(
                commit.service_id, False
            )
            for new in commit.entries:
                fits = self._room.is_there and len(new.body) <= SHARED_BYTES
                if fits or new.version > 1:  # before the first one there is none
                    keys.append((commit.service_id, new.name))
                    value = _entry(new, commit.after, fits=fits).encode()
                    values += [value, _milliseconds(new.until)]
        await self._link.call(
            lambda epoch: (
                "EVAL",
                _RECORD,
                len(invalidates) + len(keys),
                *(_token_key(epoch, service_id) for service_id in invalidates),
                *(_cache_entry_key(epoch, service_id, name) for service_id, name in keys),
                f"{lsn:0{LSN_DIGITS}x}",
                f"{random.getrandbits(32):0{NUMBER_DIGITS}x}",
                TOKEN_SECONDS,
                len(invalidates),
                *(int(invalid) for invalid in invalidates.values()),
                *values,
            )
        )

    async def doubt(self, service_id: UUID) -> None:
        """Have nobody believe what is known of a service, until its next commit is recorded."""
        await self._link.call(
            lambda epoch: ("SET", _token_key(epoch, service_id), _DOUBT, "EX", TOKEN_SECONDS)
        )

    async def _look(
        self, keys: list[tuple[UUID, str | None]]
    ) -> dict[tuple[UUID, str | None], Looked]:
        services = list(dict.fromkeys(service_id for service_id, _ in keys))
        names = [(service_id, name) for service_id, name in keys if name is not None]
        found = await self._link.call(
            lambda epoch: (
                "MGET",
                *(_token_key(epoch, service_id) for service_id in services),
                *(_cache_entry_key(epoch, service_id, name) for service_id, name in names),
            )
        )
        tokens = {
            service_id: _token(data) for service_id, data in zip(services, found, strict=False)
        }
        entries = dict(zip(names, found[len(services) :], strict=True))
        return {
            (service_id, name): Looked(
                tokens[service_id],
                CacheEntry.decode(data) if name and (data := entries[service_id, name]) else None,
            )
            for service_id, name in keys
        }

    async def _fill(self, fills: list[Fill]) -> dict[Fill, None]:
        if not self._room.is_there:
            return dict.fromkeys(fills)
        await self._link.call(
            lambda epoch: (
                "EVAL",
                _FILL,
                2 * len(fills),
                *(
                    key
                    for fill in fills
                    for key in (
                        _token_key(epoch, fill.service_id),
                        _cache_entry_key(epoch, fill.service_id, fill.name),
                    )
                ),
                *(
                    value
                    for fill in fills
                    for value in (
                        fill.entry.token.encode(),
                        fill.entry.encode(),
                        _milliseconds(fill.entry.until),
                    )
                ),
            )
        )
        return dict.fromkeys(fills)


def _token(data: bytes | None) -> ConsistencyToken | None:
    if not data or data.startswith(DOUBT_LSN.encode()):
        return None
    return ConsistencyToken.decode(data)


def _token_key(epoch: str, service_id: UUID) -> str:
    return f"{epoch}:commit:{service_id.hex}"


def _cache_entry_key(epoch: str, service_id: UUID, name: str) -> str:
    return f"{epoch}:entry:{service_id.hex}:{name}"


def _entry(new: NewCacheEntry, after: int, *, fits: bool) -> CacheEntry:
    # If it does not fit, only its version is cached, so that no earlier one takes its place. It may
    # lack what others committed meanwhile, so it has the LSN from before.
    return CacheEntry(
        version=new.version,
        token=ConsistencyToken(lsn=after),
        until=new.until if fits else _LONG_AGO,
        etag=new.etag if fits else "",
        body=new.body if fits else b"",
    )


def _milliseconds(instant: datetime) -> int:
    return math.floor(instant.timestamp() * 1_000)
