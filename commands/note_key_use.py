"""Remember when keys were last used, many at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from storage.shards import Shards

# Another process may have noted later uses already.
_NOTE = """
UPDATE api_keys SET last_used_at = used.at
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS used (service_id, id, at)
WHERE api_keys.service_id = used.service_id AND api_keys.id = used.id
    AND (api_keys.last_used_at IS NULL OR api_keys.last_used_at < used.at)
"""


class NoteKeyUse(Struct, frozen=True, kw_only=True):
    """Attributes:
    used_at: By service and key.
    """

    used_at: Mapping[tuple[UUID, UUID], datetime]


async def note_key_use(command: NoteKeyUse, shards: Shards) -> None:
    """Write the instants; what is lost here is noted at the key's next use."""
    for shard in shards.all():
        # In one order, so that two processes cannot wait for each other.
        used = sorted(item for item in command.used_at.items() if shards.of(item[0][0]) is shard)
        if not used:
            continue
        async with shard.database.driver() as driver:
            await driver.execute(
                _NOTE,
                [service_id for (service_id, _), _ in used],
                [key_id for (_, key_id), _ in used],
                [at for _, at in used],
            )
