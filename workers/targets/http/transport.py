"""Sends requests over kept connections, within the egress rules and the target's timeout."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.targets.egress import Egress
from domain.targets.kinds.http import BODILESS, HttpTarget
from domain.targets.tls import Tls
from workers.targets.http.address import Address, address_of
from workers.targets.http.config import DEFAULTS, TransportConfig
from workers.targets.http.connection import Connection
from workers.targets.http.dialer import Dialer, Way
from workers.targets.http.discarding import Discarding
from workers.targets.http.egress import check_host
from workers.targets.http.idle_connections import IdleConnections
from workers.targets.http.names import Names, Resolve
from workers.targets.http.reading import Reading, Response
from workers.targets.http.tls_contexts import TlsContexts

_UNSENDABLE = re.compile(r"[\r\n\0]")


class AnswerTimedOut(TimeoutError):
    """An answer began within the target's timeout, and did not end.

    Attributes:
        begun: The part of the answer that came.
    """

    def __init__(self, begun: Response) -> None:
        super().__init__()
        self.begun = begun


class Transport:
    """One pool of connections. Make it inside the event loop that uses it.

    Args:
        connections: Connections in use at once; as many again are kept for their next use.
        proxy: An HTTP proxy's URL (see Dialer).
        name_servers: Where names are looked up, if not at the system's.
        resolve: Looks up names in place of name servers.
    """

    def __init__(
        self,
        egress: Egress,
        connections: int,
        *,
        proxy: str | None = None,
        name_servers: Sequence[str] = (),
        resolve: Resolve | None = None,
        config: TransportConfig = DEFAULTS,
    ) -> None:
        self._egress = egress
        self._names = Names(name_servers, resolve, config=config)
        self._dialer = Dialer(egress, self._names, proxy)
        self._idle = IdleConnections(connections, config)
        self._free = asyncio.Semaphore(connections)
        self._contexts = TlsContexts(config)
        self._discarding = Discarding(config)
        self._crossing_seconds = config.crossing_seconds
        self._loop = asyncio.get_running_loop()

    async def request(
        self,
        target: HttpTarget,
        body: bytes | memoryview,
        headers: Mapping[str, str],
        service: UUID,
    ) -> Response:
        """Send a request and return the answer; redirects are not followed.

        Args:
            service: Whose target it is.

        Raises:
            EgressRefused: When the target may not be called.
            AnswerTimedOut: When the timeout ends after the status of the answer came.
            TimeoutError: When the timeout ends before.
            OSError: When the target cannot be called, or does not answer.
            ValueError: When the request cannot be sent.
        """
        address = address_of(target.url)
        check_host(address.host, self._egress)
        ca = target.tls.ca if isinstance(target.tls, Tls) else None
        reading = Reading(has_body=target.method != "HEAD")
        try:
            async with asyncio.timeout(target.timeout.total_seconds()), self._free:
                way = await self._dialer.way(address, ca, service)
                head = self._head(target.method, address, way, headers, len(body))
                return await self._exchange(way, b"".join((head, body)), reading, service)
        except TimeoutError:
            if (begun := reading.begun) is not None:
                raise AnswerTimedOut(begun) from None
            raise

    async def close(self) -> None:
        """Close the kept connections."""
        self._idle.close()

    async def _exchange(
        self, way: Way, request: bytes, reading: Reading, service: UUID
    ) -> Response:
        connection = self._idle.take(way)
        if connection is not None:
            sent_at = self._loop.time()
            try:
                return await self._use(connection, way, request, reading, service)
            except OSError:
                if reading.began or self._loop.time() - sent_at > self._crossing_seconds:
                    raise
        tls = await self._contexts.context(way.ca, service) if way.secure else None
        connection = await self._dialer.connect(way, tls, service)
        return await self._use(connection, way, request, reading, service)

    async def _use(
        self, connection: Connection, way: Way, request: bytes, reading: Reading, service: UUID
    ) -> Response:
        response = await connection.exchange(
            request, reading, discarding=self._discarding, service=service
        )
        if connection.is_open:
            self._idle.keep(way, connection)
        return response

    def _head(
        self, method: str, address: Address, way: Way, headers: Mapping[str, str], length: int
    ) -> bytes:
        where, more = address.path, ""
        if way.by_proxy is not None and not way.secure:
            host = f"[{way.by_proxy}]" if ":" in way.by_proxy else way.by_proxy
            where = f"http://{host}:{address.port}{address.path}"
            more = self._dialer.proxy_headers()
        if length or method not in BODILESS:
            more += f"content-length: {length}\r\n"
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if lines.count("\n") != len(headers) or _UNSENDABLE.search("".join(headers.values())):
            raise ValueError("A header has a line break or NUL, which cannot be sent.")
        head = f"{method} {where} HTTP/1.1\r\nhost: {address.authority}\r\n{lines}{more}\r\n"
        return head.encode("latin-1")
