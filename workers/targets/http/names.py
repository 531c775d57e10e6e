"""Looks up names of hosts, once for all attempts that ask at about the same time."""

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

from workers.targets.http.config import DEFAULTS, TransportConfig
from workers.targets.http.look_up import NoAddress, look_up, look_up_by_stream

MOST_ADDRESSES = 16
"""At most 16 addresses of a name are tried."""
_NAMES = 10_000

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a name, best first."""


class UnknownName(OSError):
    """A name has no addresses, or no server tells them."""


class TooManyLookUps(OSError):
    """A service looks up too many names at once; the target is not at fault."""


Found = tuple[str, ...] | str
"""The addresses of a name, or the reason why there are none."""


class _Share:
    """The look-ups that a service may have under way."""

    def __init__(self, config: TransportConfig) -> None:
        self.free = asyncio.Semaphore(config.look_ups_of_a_service)
        self._stream_seconds = config.stream_seconds
        self._streams = True

    def take_stream(self) -> bool:
        """Whether a look-up by TCP may begin now; it takes the permission for `stream_seconds`."""
        if not self._streams:
            return False
        self._streams = False
        asyncio.get_running_loop().call_later(self._stream_seconds, self._give_stream_back)
        return True

    def _give_stream_back(self) -> None:
        self._streams = True


class Names:
    """A cache in front of a resolver; no service can use up the resolver.

    Args:
        name_servers: Where names are looked up, if not at the system's.
        resolve: In place of c-ares.
    """

    def __init__(
        self,
        name_servers: Sequence[str] = (),
        resolve: Resolve | None = None,
        *,
        config: TransportConfig = DEFAULTS,
    ) -> None:
        self._config = config
        self._resolve = resolve or partial(look_up, name_servers=name_servers)
        self._by_stream = partial(look_up_by_stream, name_servers=name_servers)
        self._known: TLRUCache[str, Found] = TLRUCache(_NAMES, self._kept_until)
        self._asked: dict[str, asyncio.Task[Found]] = {}
        # A share is forgotten when its service looks up nothing.
        self._shares: WeakValueDictionary[UUID | None, _Share] = WeakValueDictionary()

    async def addresses(self, host: str, port: int, service: UUID | None) -> list[AddrInfoType]:
        """The addresses of a host's port, best first.

        Args:
            service: Whose target it is; None for the operator's own host.

        Raises:
            UnknownName: When there are none.
            TooManyLookUps: When the service has too many look-ups under way.
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
        # An attempt that gives up leaves the look-up to the others.
        return await asyncio.shield(asked)

    async def _begin(self, host: str, service: UUID | None) -> asyncio.Task[Found]:
        share = self._shares.get(service) or self._shares.setdefault(service, _Share(self._config))
        try:
            async with asyncio.timeout(self._config.look_up_seconds):
                await share.free.acquire()
        except TimeoutError:
            most = self._config.look_ups_of_a_service
            raise TooManyLookUps(
                f"{most} other names of the service are being looked up."
            ) from None
        # Another service may have begun meanwhile: nobody waits for another service's share.
        asked = self._asked.get(host)
        if asked is not None:
            share.free.release()
            return asked
        asked = self._asked[host] = asyncio.create_task(self._ask(host, share))
        return asked

    async def _ask(self, host: str, share: _Share) -> Found:
        found: Found
        seconds = self._config.look_up_seconds
        try:
            async with asyncio.timeout(seconds):
                found = tuple(await self._addresses(host, share))[:MOST_ADDRESSES]
        except TimeoutError:
            found = f"No server told the address of {host} within {seconds:g} s."
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

    def _kept_until(self, _: str, found: Found, now: float) -> float:
        failed = isinstance(found, str)
        return now + (self._config.kept_failure_seconds if failed else self._config.kept_seconds)


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
