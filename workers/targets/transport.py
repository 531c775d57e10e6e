"""How requests leave: over kept connections, within the rules of egress, maybe by a proxy."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from cachetools import LRUCache
from multidict import CIMultiDict
from yarl import URL

from domain.egress import Egress
from domain.targets.http import HttpTarget
from domain.targets.tls import Tls
from workers.targets.egress import check_host, checked_address, guarded_socket

_KEEP_ALIVE_SECONDS = 30
_DNS_SECONDS = 10
_CONTEXTS = 256
_LONGEST_LINE = 8_190  # of a response's head, which may have so many:
_MOST_HEADERS = 128


class Transport:
    """One pool of connections. Make it inside the event loop that uses it.

    Args:
        proxy: An HTTP proxy's URL. It is asked for the address that was checked and never for a
            name, which it might resolve to another.
        resolver: Of names, if not the system's.
    """

    def __init__(
        self,
        egress: Egress,
        connections: int,
        *,
        proxy: str | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._egress = egress
        self._proxy = proxy
        self._resolver = resolver or aiohttp.ThreadedResolver()
        self._contexts: LRUCache[str, ssl.SSLContext] = LRUCache(_CONTEXTS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                keepalive_timeout=_KEEP_ALIVE_SECONDS,
                ttl_dns_cache=_DNS_SECONDS,
                resolver=self._resolver,
                # With a proxy all connections are to it.
                socket_factory=None if proxy else guarded_socket(egress),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            max_headers=_MOST_HEADERS,
        )

    @asynccontextmanager
    async def request(
        self, target: HttpTarget, body: bytes, headers: CIMultiDict[str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The head of the response; redirects are not followed.

        Raises:
            EgressRefused: When the target may not be called.
            TimeoutError: When the target's timeout is over, also inside the block.
            aiohttp.ClientError: When it cannot be called.
        """
        url = URL(target.url)
        check_host(url, self._egress)
        seconds = target.timeout.total_seconds()
        options: dict[str, Any] = {}
        if self._proxy is not None:
            address = await checked_address(url, self._egress, self._resolver, seconds)
            options = {"proxy": self._proxy, "server_hostname": url.raw_host}
            headers["host"] = url.raw_authority
            url = url.with_host(address)
        async with self._session.request(
            target.method,
            url,
            data=body or None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=seconds),
            allow_redirects=False,
            ssl=self._context(target.tls) if isinstance(target.tls, Tls) else True,
            **options,
        ) as response:
            yield response

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _context(self, tls: Tls) -> ssl.SSLContext:
        # Connections are kept by the context that they were made with.
        context = self._contexts.get(tls.ca)
        if context is None:
            context = self._contexts[tls.ca] = tls.context()
        return context
