"""How requests leave: over kept connections, within the rules of egress and of time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.targets.egress import Egress
from domain.targets.kinds.http import BODILESS, HttpTarget
from domain.targets.tls import Tls
from workers.targets.address import Address, address_of
from workers.targets.connection import Connection
from workers.targets.dialer import Dialer, Way
from workers.targets.discarding import Discarding
from workers.targets.egress import check_host
from workers.targets.idle_connections import IdleConnections
from workers.targets.names import Names, Resolve
from workers.targets.reading import Reading, Response
from workers.targets.tls_contexts import TlsContexts

CROSSING_SECONDS = 1.0
"""A kept connection that is closed so soon after a request, with no byte of an answer, was closed
before it came: the request is sent once more, on a new one (RFC 9112, 9.3.1). The target can tell
by its `webhook-id`. What is closed later was at work, and the retry policy decides."""

_UNSENDABLE = re.compile(r"[\r\n\0]")


class AnswerTimedOut(TimeoutError):
    """An answer began within the target's timeout, and did not end.

    Attributes:
        begun: What came of it.
    """

    def __init__(self, begun: Response) -> None:
        super().__init__()
        self.begun = begun


class Transport:
    """One pool of connections. Make it inside the event loop that uses it.

    Args:
        connections: In use at once, and as many again that wait for their next use.
        proxy: An HTTP proxy's URL (see Dialer).
        name_servers: Where names are looked up, if not at the system's.
        resolve: In place of them.
    """

    def __init__(
        self,
        egress: Egress,
        connections: int,
        *,
        proxy: str | None = None,
        name_servers: Sequence[str] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self._egress = egress
        self._names = Names(name_servers, resolve)
        self._dialer = Dialer(egress, self._names, proxy)
        self._idle = IdleConnections(connections)
        self._free = asyncio.Semaphore(connections)
        self._contexts = TlsContexts()
        self._discarding = Discarding()
        self._loop = asyncio.get_running_loop()

    async def request(
        self,
        target: HttpTarget,
        body: bytes | memoryview,
        headers: Mapping[str, str],
        service: UUID,
    ) -> Response:
        """The answer; redirects are not followed.

        Args:
            service: Whose target it is.

        Raises:
            EgressRefused: When the target may not be called.
            AnswerTimedOut: When the target's timeout is over, and its answer has a status.
            TimeoutError: When the target's timeout is over, and there is none.
            OSError: When it cannot be called, or does not answer.
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
        """Close every connection that waits."""
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
                if reading.began or self._loop.time() - sent_at > CROSSING_SECONDS:
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
