"""The application within the tests' own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.api import create_app
from app.settings import Settings
from storage.urls import ShardUrls


@asynccontextmanager
async def app_with(urls: ShardUrls, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """An application with settings of a test's own."""
    app = create_app(
        Settings(
            primary_url=urls.primary,
            replica_urls=urls.replicas,
            redis_url=urls.redis,
            **settings,
        )
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        yield client
    await app.state.shards.close()
