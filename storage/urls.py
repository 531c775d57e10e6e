"""Where servers are; apart from the code that uses them, so that reading settings stays quick."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct


def redis_database(url: str, number: int) -> str:
    """A Redis URL with one of its databases: `number` beyond the one that the URL names, or 0."""
    parts = urlsplit(url)
    first = int(parts.path.strip("/") or 0)
    return urlunsplit(parts._replace(path=f"/{first + number}"))


class ShardUrls(Struct, frozen=True, kw_only=True):
    """One shard's servers, as `postgresql://` and `redis://` URLs."""

    primary: str
    replicas: tuple[str, ...] = ()
    redis: str
