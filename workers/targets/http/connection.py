"""One connection to an HTTP/1.1 server, for one request and answer at a time."""

from __future__ import annotations

import asyncio
from typing import cast
from uuid import UUID

from workers.targets.http.discarding import Discarding
from workers.targets.http.reading import BadAnswer, Reading, Response


class Connection(asyncio.Protocol):
    """The protocol of a transport; `exchange` is for one caller at a time.

    Attributes:
        transport: Replaced by another one when TLS begins in a tunnel.
        made_at: By the loop's clock, in seconds.
        idle_since: By the same clock; since when it waits for its next use.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.made_at = self.idle_since = 0.0
        self._reading: Reading | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._discarding: Discarding | None = None
        self._service: UUID | None = None

    @property
    def is_open(self) -> bool:
        """Whether another request can be sent."""
        return self.transport is not None and not self.transport.is_closing()

    @property
    def _awaited(self) -> Reading | None:
        """The reading of an answer that a caller waits for."""
        return None if self._answer is None or self._answer.done() else self._reading

    async def exchange(
        self,
        request: bytes,
        reading: Reading,
        *,
        discarding: Discarding | None = None,
        service: UUID | None = None,
        tunnels: bool = False,
    ) -> Response:
        """Send a request and return its answer.

        On any error the connection is closed, since it may be in the middle of a message.

        Args:
            reading: A fresh reading for the answer.
            discarding: Bounds how fast what exceeds the excerpt is read.
            service: Whose target it is.
            tunnels: Whether the connection becomes a tunnel after the answer.

        Raises:
            BadAnswer: When no answer comes.
            OSError: When the connection breaks before the answer.
        """
        self._reading, self._discarding, self._service = reading, discarding, service
        if self.transport is None or not self.is_open:
            raise BadAnswer("The target closed the connection.")
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            response = await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = self._reading = None
        if not reading.keeps_alive and not tunnels:
            self.close()
        return response

    def close(self) -> None:
        """Close at once, also during an exchange."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.made_at = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        reading = self._awaited
        if reading is None or self._answer is None:
            self.close()  # no caller waits for an answer
            return
        try:
            response = reading.feed(data)
        except BadAnswer as error:
            self._answer.set_exception(error)
            return
        if response is not None:
            self._answer.set_result(response)
        elif reading.discards and self._discarding is not None:
            seconds = self._discarding.seconds(self._service, reading.work)
            if seconds > 0 or reading.rest:
                self._read_on_in(seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        while (reading := self._awaited) is not None and reading.rest:
            self.data_received(b"")
        if reading is None or self._answer is None:
            return
        try:
            self._answer.set_result(reading.feed_end(clean=exc is None))
        except BadAnswer as error:
            self._answer.set_exception(exc or error)

    def _read_on_in(self, seconds: float) -> None:
        if self.transport is not None and self.is_open:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(max(seconds, 0), self._read_on)

    def _read_on(self) -> None:
        if self.transport is None or not self.is_open:
            return
        self.transport.resume_reading()
        if (reading := self._awaited) is not None and reading.rest:
            self.data_received(b"")
