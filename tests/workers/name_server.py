"""A DNS server of the test's own: the first label of a name says how it is answered."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

_A, _TRUNCATED, _NO_SUCH_NAME = 1, 0x0200, 3


class NameServer(asyncio.DatagramProtocol):
    """`known`, `late`, `many`, `long`, `unknown`, `silent`; by TCP all have many addresses.

    Attributes:
        asked: How often, by name, for an IPv4 address.
        came: The names, one after the other.
        late: Lets `late` names be answered, once it is set.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.came: asyncio.Queue[str] = asyncio.Queue()
        self.late = asyncio.Event()
        self.port = 0
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, kind, _ = _question(data)
        if kind == _A:
            self.asked[name] += 1
            self.came.put_nowait(name)
        task = asyncio.ensure_future(self._answer(name, data, addr))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer(self, name: str, data: bytes, addr: tuple[str, int]) -> None:
        if name.startswith("silent"):
            return
        if name.startswith("late"):
            await self.late.wait()
        if "unknown" in name:
            content = _content(data, [], _NO_SUCH_NAME)
        elif name.startswith("long"):
            content = _content(data, [], _TRUNCATED)
        else:
            content = _content(data, _addresses(name))
        self._transport.sendto(content, addr)  # type: ignore[attr-defined]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """By TCP."""
        try:
            while True:
                data = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                content = _content(data, [f"10.1.{n // 250}.{n % 250}" for n in range(1_000)])
                writer.write(len(content).to_bytes(2) + content)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Listens while the block lasts."""
    server = NameServer()
    streams = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = streams.sockets[0].getsockname()[1]
    datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", server.port)
    )
    try:
        yield server
    finally:
        datagrams.close()
        streams.close()


def _addresses(name: str) -> list[str]:
    return [f"127.0.0.{n}" for n in range(1, 31 if name.startswith("many") else 2)]


def _question(data: bytes) -> tuple[str, int, int]:
    """Its name and type, and where it ends."""
    labels, at = [], 12
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += length + 1
    return ".".join(labels), int.from_bytes(data[at + 1 : at + 3]), at + 5


def _content(data: bytes, addresses: list[str], flags: int = 0) -> bytes:
    _, kind, end = _question(data)
    found = addresses if kind == _A else []
    head = data[:2] + struct.pack("!5H", 0x8180 | flags, 1, len(found), 0, 0)
    records = [
        b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 3_600, 4) + ip_address(address).packed
        for address in found
    ]
    return head + data[12:end] + b"".join(records)
