"""Remember when keys were last used, many at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from storage.shards import Shards

AT_ONCE = 500
"""Keys of a statement: whoever waits for the event loop meanwhile does not wait for thousands."""

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
        used = [item for item in command.used_at.items() if shards.of(item[0][0]) is shard]
        # In one order, so that two processes cannot wait for each other.
        used.sort(key=_order)
        for start in range(0, len(used), AT_ONCE):
            service_ids, key_ids, instants = [], [], []
            for (service_id, key_id), at in used[start : start + AT_ONCE]:
                service_ids.append(service_id)
                key_ids.append(key_id)
                instants.append(at)
            async with shard.database.driver() as driver:
                await driver.execute(_NOTE, service_ids, key_ids, instants)


def _order(used: tuple[tuple[UUID, UUID], datetime]) -> tuple[int, int]:
    (service_id, key_id), _ = used
    return service_id.int, key_id.int
