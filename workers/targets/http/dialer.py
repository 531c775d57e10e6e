"""Makes connections to targets, within the egress rules, directly or by a proxy."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from typing import cast
from uuid import UUID

from aiohappyeyeballs import start_connection
from msgspec import Struct
from yarl import URL

from domain.targets.egress import Egress
from workers.targets.http.address import Address, address_of
from workers.targets.http.connection import Connection
from workers.targets.http.egress import guarded_socket, permitted
from workers.targets.http.names import Names
from workers.targets.http.reading import Reading

_NEXT_ADDRESS_SECONDS = 0.25
"""The next address of a host is tried after 0.25 s (RFC 8305)."""


class ProxyRefused(OSError):
    """The proxy refuses to connect to the target."""


class Way(Struct, frozen=True):
    """The key of a kept connection: a request may use any connection of the same way.

    Attributes:
        ca: The authorities to trust, in place of the public ones.
        by_proxy: The address that the proxy is asked for; None without a proxy.
    """

    secure: bool
    host: str
    port: int
    ca: str | None
    by_proxy: str | None


class Dialer:
    """Makes connections.

    Args:
        proxy: URL of an HTTP proxy. It is asked for the address that was checked, never for a name,
            which it might resolve to another address.
    """

    def __init__(self, egress: Egress, names: Names, proxy: str | None) -> None:
        self._egress = egress
        self._names = names
        self._proxy = URL(proxy) if proxy else None
        self._socket = guarded_socket(egress)

    async def way(self, address: Address, ca: str | None, service: UUID) -> Way:
        """The way to an address.

        Args:
            service: Whose target it is.

        Raises:
            OSError: When a proxy is used, and the host has no address that it may be asked for.
        """
        by_proxy = None
        if self._proxy is not None:
            found = await self._names.addresses(address.host, address.port, service)
            by_proxy = permitted(self._egress, [str(info[4][0]) for info in found])
        return Way(address.secure, address.host, address.port, ca, by_proxy)

    async def connect(self, way: Way, tls: ssl.SSLContext | None, service: UUID) -> Connection:
        """Make a connection.

        Args:
            service: Whose target it is.

        Raises:
            EgressRefused: When no address of the host may be called.
            OSError: When no connection can be made.
        """
        server_name = way.host.rstrip(".") if tls else None
        if way.by_proxy is not None:
            return await self._by_proxy(way, tls, server_name)
        infos = await self._names.addresses(way.host, way.port, service)
        sock = await start_connection(
            infos, socket_factory=self._socket, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS
        )
        _, connection = await asyncio.get_running_loop().create_connection(
            Connection, sock=sock, ssl=tls, server_hostname=server_name
        )
        return connection

    def proxy_headers(self) -> str:
        """The header lines for the proxy."""
        if self._proxy is None or self._proxy.user is None:
            return ""
        credentials = f"{self._proxy.user}:{self._proxy.password or ''}"
        return f"proxy-authorization: Basic {b64encode(credentials.encode()).decode()}\r\n"

    async def _by_proxy(
        self, way: Way, tls: ssl.SSLContext | None, server_name: str | None
    ) -> Connection:
        proxy, loop = address_of(str(self._proxy)), asyncio.get_running_loop()
        # The proxy is the operator's own: egress rules do not apply to its address.
        infos = await self._names.addresses(proxy.host, proxy.port, None)
        sock = await start_connection(infos, happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS)
        _, connection = await loop.create_connection(Connection, sock=sock)
        if tls is None:
            return connection
        authority = f"[{way.by_proxy}]" if ":" in str(way.by_proxy) else way.by_proxy
        head = (
            f"CONNECT {authority}:{way.port} HTTP/1.1\r\nhost: {authority}:{way.port}\r\n"
            f"{self.proxy_headers()}\r\n"
        )
        response = await connection.exchange(head.encode(), Reading(has_body=False), tunnels=True)
        if not 200 <= response.status < 300:
            connection.close()
            raise ProxyRefused(f"The proxy answered {response.status}.")
        try:
            connection.transport = await loop.start_tls(
                cast("asyncio.Transport", connection.transport),
                connection,
                tls,
                server_hostname=server_name,
            )
        except BaseException:
            connection.close()
            raise
        return connection
