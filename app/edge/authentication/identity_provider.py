"""The OIDC provider that signs people in: which keys its tokens may be signed with."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import jwt
import msgspec
import structlog
from msgspec import Struct

from app.edge.authentication.person import ProviderAway
from storage.error_kinds import kind_of

log = structlog.get_logger()
DISCOVERY = "/.well-known/openid-configuration"
FETCH_SECONDS = 5.0
WAIT_SECONDS = 1.0
"""For so long requests wait for what it says anew of a key that it has named before."""
MOST_BYTES = 256 * 1024
FRESH_SECONDS = 300.0
"""A key that the provider withdrew is refused after so long."""
STALE_SECONDS = 24 * 3_600.0
"""While the provider cannot be reached, what it said before holds for so long."""
ASK_AGAIN_SECONDS = 10.0
"""However many unknown keys are named, the provider is not asked more often."""


class Patience(Struct, frozen=True, kw_only=True):
    """How long what the provider said holds, and how long it is waited for; see above."""

    fresh_seconds: float = FRESH_SECONDS
    stale_seconds: float = STALE_SECONDS
    ask_again_seconds: float = ASK_AGAIN_SECONDS
    wait_seconds: float = WAIT_SECONDS


PATIENCE = Patience()


class _Discovery(Struct):
    issuer: str
    jwks_uri: str


class _Wrong(Exception):
    """The provider answered, and not as a provider does; says how."""


class IdentityProvider:
    """Fetches the provider's signing keys, and keeps them for a while.

    Args:
        issuer: Its URL, as its tokens say it in `iss`.
    """

    def __init__(self, issuer: str, patience: Patience = PATIENCE) -> None:
        self.issuer = issuer
        self.patience = patience
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of that id (a provider with one key may leave it out), or None.

        Raises:
            ProviderAway: When it is not known, and the provider does not answer.
        """
        is_known = key_id in self._keys
        if self._age > self.patience.fresh_seconds or not is_known:
            await self._refresh(self.patience.wait_seconds if is_known else FETCH_SECONDS)
        if self._age > self.patience.stale_seconds:
            raise ProviderAway
        return self._keys.get(key_id)

    @property
    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    async def _refresh(self, seconds: float) -> None:
        """Have the provider asked, and wait so long for it at most, from when it was."""
        now = time.monotonic()
        if self._asking is None and now - self._asked_at >= self.patience.ask_again_seconds:
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        left = self._asked_at + seconds - now
        if self._asking is not None and left > 0:
            await asyncio.wait([self._asking], timeout=left)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = await _fetch_keys(self.issuer)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was said before holds
            kind = kind_of(error)
            log.warning("identity_provider.unreachable", issuer=self.issuer, error=kind)
        else:
            self._fetched_at = time.monotonic()
        finally:
            self._asking = None
            self._asked_at = time.monotonic()  # one that hangs gets its pause, too


async def _fetch_keys(issuer: str) -> dict[str | None, jwt.PyJWK]:
    async with aiohttp.ClientSession() as session:
        found = await _get(session, issuer.rstrip("/") + DISCOVERY)
        discovery = msgspec.json.decode(found, type=_Discovery)
        if discovery.issuer != issuer:
            raise _Wrong(f"the provider says its issuer is {discovery.issuer!r}")
        answer: dict[str, Any] = msgspec.json.decode(
            await _get(session, discovery.jwks_uri), type=dict
        )
    keys = [
        key
        for key in jwt.PyJWKSet.from_dict(answer).keys
        if key.public_key_use in {None, "sig"} and key.key_type != "oct"
    ]
    by_id: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in keys}
    if len(keys) == 1:
        by_id[None] = keys[0]
    return by_id


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise _Wrong(f"{url} answered {response.status}")
        body = await response.content.read(MOST_BYTES + 1)
        while len(body) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES)):
            body += more
    if len(body) > MOST_BYTES:
        raise _Wrong(f"{url} answered more than {MOST_BYTES} bytes")
    return body
