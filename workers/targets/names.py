"""Names of hosts, looked up once for all who ask at about the same time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import ip_address
from uuid import UUID
from weakref import WeakValueDictionary

from aiohappyeyeballs import AddrInfoType
from cachetools import TLRUCache

from workers.targets.look_up import NoAddress, look_up, look_up_by_stream

KEPT_SECONDS = 10.0
KEPT_FAILURE_SECONDS = 5.0
LOOK_UP_SECONDS = 5.0
LOOK_UPS_OF_A_SERVICE = 32
"""So many names of a service are looked up at once; further ones wait for `LOOK_UP_SECONDS`."""
MOST_ADDRESSES = 16
"""Of a name, so many are tried."""
STREAM_SECONDS = 1.0
"""A service has one look-up by TCP in so long."""
_NAMES = 10_000

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name, best first."""


class UnknownName(OSError):
    """A name has no addresses, or nobody says which."""


class TooManyLookUps(OSError):
    """A service has too many names looked up at once; that is no fault of this one."""


Found = tuple[str, ...] | str
"""The addresses of a name, or why it has none."""


class _Share:
    """What a service may have looked up at once."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(LOOK_UPS_OF_A_SERVICE)
        self._streams = True

    def take_stream(self) -> bool:
        """Whether there may be one by TCP now; the next one may be in `STREAM_SECONDS`."""
        if not self._streams:
            return False
        self._streams = False
        asyncio.get_running_loop().call_later(STREAM_SECONDS, self._give_stream_back)
        return True

    def _give_stream_back(self) -> None:
        self._streams = True


class Names:
    """A cache in front of a resolver, which no service can keep for itself.

    Args:
        name_servers: Where names are looked up, if not at the system's.
        resolve: In place of c-ares.
    """

    def __init__(self, name_servers: Sequence[str] = (), resolve: Resolve | None = None) -> None:
        self._resolve = resolve or partial(look_up, name_servers=name_servers)
        self._by_stream = partial(look_up_by_stream, name_servers=name_servers)
        self._known: TLRUCache[str, Found] = TLRUCache(_NAMES, _kept_until)
        self._asked: dict[str, asyncio.Task[Found]] = {}
        # Forgotten once nothing of a service is looked up.
        self._shares: WeakValueDictionary[UUID | None, _Share] = WeakValueDictionary()

    async def addresses(self, host: str, port: int, service: UUID | None) -> list[AddrInfoType]:
        """The addresses of a host's port, best first.

        Args:
            service: Whose target it is; none means the operator's own host.

        Raises:
            UnknownName: When there are none.
            TooManyLookUps: When it cannot be asked for them now.
        """
        if _is_address(host):
            return [_info(host, port)]
        found = self._known.get(host)
        if found is None:
            found = await self._answer(host, service)
        if isinstance(found, str):
            raise UnknownName(found)
        return [_info(address, port) for address in found]

    async def _answer(self, host: str, service: UUID | None) -> Found:
        asked = self._asked.get(host)
        if asked is None:
            asked = await self._begin(host, service)
        # Whoever gives up does not take the answer from the others.
        return await asyncio.shield(asked)

    async def _begin(self, host: str, service: UUID | None) -> asyncio.Task[Found]:
        share = self._shares.get(service) or self._shares.setdefault(service, _Share())
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                await share.free.acquire()
        except TimeoutError:
            raise TooManyLookUps(
                f"{LOOK_UPS_OF_A_SERVICE} other names of the service are being looked up."
            ) from None
        # Nobody waits for another service's share: who has one first asks for all.
        asked = self._asked.get(host)
        if asked is not None:
            share.free.release()
            return asked
        asked = self._asked[host] = asyncio.create_task(self._ask(host, share))
        return asked

    async def _ask(self, host: str, share: _Share) -> Found:
        found: Found
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                found = tuple(await self._addresses(host, share))[:MOST_ADDRESSES]
        except TimeoutError:
            found = f"No server told the address of {host} within {LOOK_UP_SECONDS:g} s."
        except (OSError, ValueError) as error:
            found = f"The host {host} was not found: {error}"
        finally:
            del self._asked[host]
            share.free.release()
        self._known[host] = found
        return found

    async def _addresses(self, host: str, share: _Share) -> Sequence[str]:
        try:
            return await self._resolve(host)
        except NoAddress:
            if not share.take_stream():
                raise
            return await self._by_stream(host)


def _kept_until(_: str, found: Found, now: float) -> float:
    return now + (KEPT_FAILURE_SECONDS if isinstance(found, str) else KEPT_SECONDS)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _info(address: str, port: int) -> AddrInfoType:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
