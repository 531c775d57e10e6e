"""What all processes share in Redis: each service's last commit, and answers that are cached."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from storage.batches import Batches
from storage.entries import ORDER_DIGITS, POSITION_DIGITS, Entry, Position
from storage.redis_link import RedisLink

POSITION_SECONDS = 3_600
"""A service that wrote nothing for so long is looked up on the primary."""

# The position of each service is raised, never lowered. An entry gives way to a later version only.
# KEYS: positions, entries. ARGV: position, seconds to keep it, how many services, for each whether
# all that was cached before is void; then value and end (in milliseconds) of each entry.
_RECORD = f"""
local count = tonumber(ARGV[3])
for i = 1, count do
    local last, void = ARGV[1], string.rep('0', {POSITION_DIGITS})
    local known = redis.call('GET', KEYS[i])
    if known then
        if string.sub(known, 1, {POSITION_DIGITS}) > last then
            last = string.sub(known, 1, {POSITION_DIGITS})
        end
        void = string.sub(known, {POSITION_DIGITS} + 1)
    end
    if ARGV[3 + i] == '1' and ARGV[1] > void then void = ARGV[1] end
    redis.call('SET', KEYS[i], last .. void, 'EX', ARGV[2])
end
for i = count + 1, #KEYS do
    local at = 3 + count + 2 * (i - count) - 1
    local known = redis.call('GETRANGE', KEYS[i], 0, 7)
    if known < string.sub(ARGV[at], 1, 8) then
        redis.call('SET', KEYS[i], ARGV[at], 'PXAT', ARGV[at + 1])
    end
end
"""
# What was read at a position that is no longer the last may be older than what was written since.
# KEYS: position and entry of each. ARGV: position, value and end of each.
_FILL = f"""
for i = 1, #KEYS / 2 do
    local position = string.sub(redis.call('GET', KEYS[2 * i - 1]) or '', 1, {POSITION_DIGITS})
    local value = ARGV[3 * i - 1]
    if position == ARGV[3 * i - 2] then
        local known = redis.call('GETRANGE', KEYS[2 * i], 0, {ORDER_DIGITS} - 1)
        if known <= string.sub(value, 1, {ORDER_DIGITS}) then
            redis.call('SET', KEYS[2 * i], value, 'PXAT', ARGV[3 * i])
        end
    end
end
"""


class Looked(Struct, frozen=True):
    """What Redis knows: of a service, and under a name that was asked for."""

    position: Position | None
    entry: Entry | None


class NewEntry(Struct, frozen=True, kw_only=True):
    """What a commit made of an object."""

    name: str
    version: int
    until: datetime
    etag: str
    body: bytes


class Commit(Struct, frozen=True, kw_only=True):
    """A commit of a service.

    Attributes:
        entries: What it made, to be cached.
        voids: Whether it changed objects that `entries` does not name.
    """

    service_id: UUID
    entries: tuple[NewEntry, ...] = ()
    voids: bool = False


class Fill(Struct, frozen=True, kw_only=True):
    """What a query read, to be cached for others."""

    service_id: UUID
    name: str
    entry: Entry


class SharedCache:
    """Redis as the cache of one shard; calls at about the same time share one round trip.

    Every call raises RedisAway when Redis does not answer in time.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._looks: Batches[tuple[UUID, str | None], Looked] = Batches(self._look)
        self._fills: Batches[Fill, None] = Batches(self._fill)

    async def look(self, service_id: UUID, name: str | None = None) -> Looked:
        """A service's position, and with it an entry."""
        return await self._looks.answer((service_id, name))

    async def fill(self, fill: Fill) -> None:
        """Cache what was read, unless the service has committed since."""
        await self._fills.answer(fill)

    async def record(self, commits: Iterable[Commit], last: int) -> None:
        """Tell of commits, all of them before the position `last`."""
        voids: dict[UUID, bool] = {}
        entries: list[tuple[UUID, NewEntry]] = []
        for commit in commits:
            voids[commit.service_id] = commit.voids or voids.get(commit.service_id, False)
            entries += [(commit.service_id, entry) for entry in commit.entries]
        values = [
            part
            for _, entry in entries
            for part in (
                Entry(
                    version=entry.version,
                    position=last,
                    until=entry.until,
                    etag=entry.etag,
                    body=entry.body,
                ).encode(),
                _milliseconds(entry.until),
            )
        ]
        await self._link.call(
            lambda epoch: (
                "EVAL",
                _RECORD,
                len(voids) + len(entries),
                *(_position_key(epoch, service_id) for service_id in voids),
                *(_entry_key(epoch, service_id, entry.name) for service_id, entry in entries),
                f"{last:0{POSITION_DIGITS}x}",
                POSITION_SECONDS,
                len(voids),
                *(int(void) for void in voids.values()),
                *values,
            )
        )

    async def _look(
        self, keys: list[tuple[UUID, str | None]]
    ) -> dict[tuple[UUID, str | None], Looked]:
        services = list(dict.fromkeys(service_id for service_id, _ in keys))
        names = [(service_id, name) for service_id, name in keys if name is not None]
        found = await self._link.call(
            lambda epoch: (
                "MGET",
                *(_position_key(epoch, service_id) for service_id in services),
                *(_entry_key(epoch, service_id, name) for service_id, name in names),
            )
        )
        positions = {
            service_id: data and Position.decode(data)
            for service_id, data in zip(services, found, strict=False)
        }
        entries = dict(zip(names, found[len(services) :], strict=True))
        return {
            (service_id, name): Looked(
                positions[service_id],
                Entry.decode(data) if name and (data := entries[service_id, name]) else None,
            )
            for service_id, name in keys
        }

    async def _fill(self, fills: list[Fill]) -> dict[Fill, None]:
        await self._link.call(
            lambda epoch: (
                "EVAL",
                _FILL,
                2 * len(fills),
                *(
                    key
                    for fill in fills
                    for key in (
                        _position_key(epoch, fill.service_id),
                        _entry_key(epoch, fill.service_id, fill.name),
                    )
                ),
                *(
                    value
                    for fill in fills
                    for value in (
                        f"{fill.entry.position:0{POSITION_DIGITS}x}",
                        fill.entry.encode(),
                        _milliseconds(fill.entry.until),
                    )
                ),
            )
        )
        return dict.fromkeys(fills)


def _position_key(epoch: str, service_id: UUID) -> str:
    return f"{epoch}:commit:{service_id.hex}"


def _entry_key(epoch: str, service_id: UUID, name: str) -> str:
    return f"{epoch}:entry:{service_id.hex}:{name}"


def _milliseconds(instant: datetime) -> int:
    return math.floor(instant.timestamp() * 1_000)
