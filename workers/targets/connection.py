"""One connection to an HTTP/1.1 server: a request, its answer, and maybe the next one."""

from __future__ import annotations

import asyncio
from typing import cast

from workers.targets.reading import BadAnswer, Reading, Response


class Connection(asyncio.Protocol):
    """Made by the event loop; `exchange` is for one caller at a time.

    Attributes:
        transport: Below it; another one once TLS has begun in a tunnel.
        idle_since: By the loop's clock, while it waits for its next use.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self._reading: Reading | None = None
        self._answer: asyncio.Future[Response] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can take another request."""
        return self.transport is not None and not self.transport.is_closing()

    @property
    def was_answered(self) -> bool:
        """Whether anything came since the last request was sent."""
        return self._reading is not None and self._reading.began

    async def exchange(
        self, request: bytes, *, has_body: bool = True, tunnels: bool = False
    ) -> Response:
        """Send a request and return the answer to it.

        If that does not end well the connection is closed: it may be in the middle of something.

        Args:
            has_body: Whether the answer may have a body: not after HEAD and CONNECT.
            tunnels: Whether the connection is to be the other side's from then on.

        Raises:
            BadAnswer: When no good answer comes.
            OSError: When the connection breaks.
        """
        self._reading = Reading(has_body=has_body)
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
            self._answer = None
        if not self._reading.keeps_alive and not tunnels:
            self.close()
        return response

    def close(self) -> None:
        """Close at once, whatever is under way."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._reading is None or self._answer.done():
            self.close()  # nobody asked
            return
        try:
            response = self._reading.feed(data)
        except BadAnswer as error:
            self._answer.set_exception(error)
            return
        if response is not None:
            self._answer.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is None or self._reading is None or self._answer.done():
            return
        try:
            if exc is not None:
                raise exc
            self._answer.set_result(self._reading.feed_end())
        except Exception as error:  # noqa: BLE001 (raised where the answer is awaited)
            self._answer.set_exception(error)
