"""What worker processes tell of their targets, kept in Redis for as long as they go on telling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

import msgspec
from msgspec import Struct

from domain.targets.health.target_status import TargetStatus
from storage.redis.connection import RedisLink

MAX_TARGETS = 1_000
"""Of a service, told by one process: those that it rang last."""
STALE_AFTER = timedelta(seconds=45)
"""A process that has told nothing for so long is no more, or cut off."""
_KEPT_SECONDS = 90
_SERVICES_AT_ONCE = 50

# A service has one hash; in it, each process has one field.
_TELL = """
for number, key in ipairs(KEYS) do
    redis.call('HSET', key, ARGV[1], ARGV[number + 2])
    redis.call('EXPIRE', key, ARGV[2])
end
"""


class ProcessView(Struct, frozen=True, kw_only=True):
    """What one worker process tells of a service's targets."""

    published_at: datetime = msgspec.field(name="told_at")  # as older processes read and write it
    targets: list[TargetStatus]


_decode = msgspec.json.Decoder(ProcessView).decode


async def tell(
    redis: RedisLink, process_id: UUID, views: Mapping[UUID, Sequence[TargetStatus]], now: datetime
) -> None:
    """Replace what a process told of the targets of these services.

    Raises:
        RedisAway: When Redis does not answer; tell again later.
    """
    waiting = iter(views.items())
    while batch := list(islice(waiting, _SERVICES_AT_ONCE)):
        told = [
            msgspec.json.encode(ProcessView(published_at=now, targets=list(targets[:MAX_TARGETS])))
            for _, targets in batch
        ]
        services = [service_id for service_id, _ in batch]
        await redis.call(
            lambda epoch, services=services, told=told: (  # type: ignore[misc]
                "EVAL",
                _TELL,
                len(services),
                *(_key(epoch, service_id) for service_id in services),
                str(process_id),
                _KEPT_SECONDS,
                *told,
            )
        )


async def published_status(redis: RedisLink, service_id: UUID, now: datetime) -> list[TargetStatus]:
    """What processes tell of a service's targets: several may tell of the same.

    Raises:
        RedisAway: When Redis does not answer.
    """
    views = map(_decode, await redis.call(lambda epoch: ("HVALS", _key(epoch, service_id))))
    return [
        target
        for view in views
        if view.published_at >= now - STALE_AFTER
        for target in view.targets
    ]


def _key(epoch: str, service_id: UUID) -> str:
    return f"{epoch}:targets:{service_id}"
