"""Keeps TLS contexts: one takes 22 ms to make for public authorities, up to 5 ms for a job's."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from functools import cache
from uuid import UUID
from weakref import WeakValueDictionary

from domain.targets.tls import Tls
from workers.targets.http.config import DEFAULTS, TransportConfig

MOST_CONTEXTS = 256
MOST_CONTEXTS_OF_A_SERVICE = 16
"""A service with more than 16 authorities pushes out its own."""


class TlsContexts:
    """Keeps the contexts that were used last. Make it inside the event loop that uses it."""

    def __init__(self, config: TransportConfig = DEFAULTS) -> None:
        self._pause_seconds = config.context_pause_seconds
        self._kept: OrderedDict[tuple[UUID, str], ssl.SSLContext] = OrderedDict()
        self._making: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def context(self, ca: str | None, service: UUID) -> ssl.SSLContext:
        """The context for a target.

        Args:
            ca: The only authorities to trust, in place of the public ones.
            service: Whose target it is.

        Raises:
            OSError: When `ca` holds no authority.
        """
        if ca is None:
            return _public()
        return self._known(ca, service) or await self._made(ca, service)

    def _known(self, ca: str, service: UUID) -> ssl.SSLContext | None:
        context = self._kept.get((service, ca))
        if context is not None:
            self._kept.move_to_end((service, ca))
        return context

    async def _made(self, ca: str, service: UUID) -> ssl.SSLContext:
        making = self._making.setdefault(service, asyncio.Lock())
        await making.acquire()
        context = self._known(ca, service)
        if context is not None:
            making.release()
            return context
        asyncio.get_running_loop().call_later(self._pause_seconds, making.release)
        context = Tls(ca=ca).context()
        self._make_room(service)
        self._kept[service, ca] = context
        return context

    def _make_room(self, service: UUID) -> None:
        own = [key for key in self._kept if key[0] == service]
        if len(own) >= MOST_CONTEXTS_OF_A_SERVICE:
            del self._kept[own[0]]
        elif len(self._kept) >= MOST_CONTEXTS:
            self._kept.popitem(last=False)


@cache
def _public() -> ssl.SSLContext:
    return ssl.create_default_context()
