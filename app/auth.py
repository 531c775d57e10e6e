"""Authentication: `Authorization: Bearer <key>`."""

from __future__ import annotations

from typing import Any

import structlog
from cachetools import TTLCache
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler

from domain.caller import Caller
from queries.find_key import FoundKey, find_key
from storage.shards import Shards

CACHED_KEYS = 10_000
CACHED_SECONDS = 1.0
"""A revoked key is refused everywhere after so long."""


class Authentication:
    """Finds the caller of each request; keys are looked up once a second at most."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._known: TTLCache[str, FoundKey] = TTLCache(CACHED_KEYS, CACHED_SECONDS)

    async def caller(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
        """Whose key the request carries.

        Raises:
            NotAuthorizedException: When there is no key, or not one of ours.
        """
        key = _key(connection.headers.get("authorization"))
        if key is None:
            raise NotAuthorizedException("Send your API key as `Authorization: Bearer <key>`.")
        found = self._known.get(key) or await self._look_up(key)
        structlog.contextvars.bind_contextvars(service_id=str(found.service_id))
        return Caller(
            service_id=found.service_id,
            principal=f"key:{found.key_id}",
            request_id=connection.scope["state"]["request_id"],
        )

    def known(self, authorization: str | None) -> FoundKey | None:
        """Whose key a header carries, if that was looked up just now."""
        key = _key(authorization)
        return None if key is None else self._known.get(key)

    async def _look_up(self, key: str) -> FoundKey:
        found = await find_key(key, self._shards)
        if found is None:
            raise NotAuthorizedException("This API key is unknown or revoked.")
        self._known[key] = found
        return found


def _key(authorization: str | None) -> str | None:
    scheme, _, key = (authorization or "").partition(" ")
    return key if scheme.lower() == "bearer" and key else None


async def authenticate(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The guard of every route of a service."""
    authentication: Authentication = connection.app.state.authentication
    # Not through `connection.state`, which copies it all at every use.
    connection.scope["state"]["caller"] = await authentication.caller(connection)
