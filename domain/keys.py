"""API keys: `tocsin_<service id>_<secret>`."""

from __future__ import annotations

import re
from uuid import UUID

_KEY = re.compile(r"tocsin_(?P<service>[0-9a-f]{32})_[A-Za-z0-9_-]{43}")


def key_text(service_id: UUID, secret: str) -> str:
    """A key as its holder sees it. The prefix is for secret scanners to recognise."""
    return f"tocsin_{service_id.hex}_{secret}"


def service_of(key: str) -> UUID | None:
    """The service that a key names, which tells its shard; None when it is no key of ours."""
    match = _KEY.fullmatch(key)
    return UUID(match["service"]) if match else None
