"""Names of hosts, resolved once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohappyeyeballs import AddrInfoType
from cachetools import TTLCache

KEPT_SECONDS = 10
_NAMES = 10_000

Resolve = Callable[[str, int], Awaitable[Sequence[AddrInfoType]]]
"""The addresses of a host's port, best first."""


class Names:
    """A cache in front of a resolver.

    Args:
        resolve: The system's resolver, in threads, if there is no other.
    """

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or _by_the_system
        self._known: TTLCache[tuple[str, int], asyncio.Task[Sequence[AddrInfoType]]] = TTLCache(
            _NAMES, KEPT_SECONDS
        )

    async def addresses(self, host: str, port: int) -> Sequence[AddrInfoType]:
        """The addresses of a host's port.

        Raises:
            OSError: When there are none.
        """
        task = self._known.get((host, port))
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.ensure_future(self._resolve(host, port))
            self._known[host, port] = task
        # Whoever gives up does not take the answer from the others.
        return await asyncio.shield(task)


async def _by_the_system(host: str, port: int) -> Sequence[AddrInfoType]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
