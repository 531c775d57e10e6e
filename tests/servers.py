"""Embedded servers for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.embedded.servers import EmbeddedServers
from storage.urls import ShardUrls


@contextmanager
def started_servers(folder: Path, *, durable: bool = False) -> Iterator[EmbeddedServers]:
    """A primary, a replica and a Valkey; their files go with them."""
    embedded = EmbeddedServers(folder, durable=durable)
    with embedded:
        yield embedded
    embedded.remove()


def urls_of(embedded: EmbeddedServers) -> ShardUrls:
    """Where they are."""
    found = embedded.urls
    return ShardUrls(primary=found.primary, replicas=found.replicas, redis=found.redis)
