"""Where servers are; apart from the code that uses them, so that reading settings stays quick."""

from __future__ import annotations

from msgspec import Struct


class ShardUrls(Struct, frozen=True, kw_only=True):
    """One shard's servers, as `postgresql://` and `redis://` URLs."""

    primary: str
    replicas: tuple[str, ...] = ()
    redis: str
