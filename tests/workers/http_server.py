"""A target of raw bytes, which may do what no HTTP library would."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class RawTarget:
    """Remembers the heads of requests, and whether the other side hung up.

    Attributes:
        heads: Of each request, as it came.
        bodies: Of each request that says how long it is.
        connections: How many were made.
        hung_up: Set when a connection is closed from the other side.
    """

    def __init__(self, answer: Answer) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.hung_up = asyncio.Event()
        self.port = 0
        self._answer = answer
        self._writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(_length(head)))
                await self._answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        finally:
            writer.close()

    async def close(self) -> None:
        """Hang up, and wait until nobody is served."""
        for writer in self._writers:
            writer.transport.abort()
        for _ in self._writers:
            await asyncio.sleep(0)


@asynccontextmanager
async def raw_target(
    answer: Answer | bytes,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RawTarget]:
    """Listens while the block lasts."""
    target = RawTarget(sends(answer) if isinstance(answer, bytes) else answer)
    server = await asyncio.start_server(target.serve, host, port, ssl=tls)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()
        await target.close()


def sends(content: bytes) -> Answer:
    """Answers with these bytes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return answer


def sends_forever(head: bytes, piece: bytes, pause: float = 0) -> Answer:
    """Answers without an end, until the other side hangs up."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
