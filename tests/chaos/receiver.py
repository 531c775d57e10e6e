"""The target: it answers as its path says, and writes down when each delivery came and ended.

It listens on several ports, since what a target of one origin suffers slows all its runs:

    /ok/JOB              200
    /slow/JOB/2.5        200 after so many seconds
    /fail/JOB/2          500 for the first attempts of a run, then 200
    /busy/JOB/1          503 for the first attempts, then 200
    /hang/JOB/1          no answer to the first attempts, then 200
    /gone/JOB/5          410 from the fifth delivery of the job on, 200 before
    GET /_deliveries/N   those that have ended, from number N on
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from http.client import HTTPConnection
from types import TracebackType
from typing import Self

import httptools
import msgspec

from loadtests import CHECKOUT
from loadtests.sink.process import first_line
from tests.chaos.history import Delivery

PORTS = 4
MOST = 400_000
PAGE = 20_000
HANG_SECONDS = 60.0
START_SECONDS = 120.0


class Book:
    """What came, and ended; bounded."""

    def __init__(self) -> None:
        self.ended: list[Delivery] = []
        self.under_way = 0
        self._of_job: Counter[str] = Counter()

    def answer(self, path: str, attempt: int) -> tuple[int, float]:
        """The status, and after how many seconds."""
        kind, job, *rest = path.strip("/").split("/")
        self._of_job[job] += 1
        number = float(rest[0]) if rest else 0.0
        match kind:
            case "slow":
                return 200, number
            case "fail":
                return (500 if attempt <= number else 200), 0.0
            case "busy":
                return (503 if attempt <= number else 200), 0.0
            case "hang":
                return 200, (HANG_SECONDS if attempt <= number else 0.0)
            case "gone":
                return (410 if self._of_job[job] >= number else 200), 0.0
        return 200, 0.0

    def note(self, delivery: Delivery) -> None:
        """Write down one that has ended."""
        if len(self.ended) < MOST:
            self.ended.append(delivery)


class Connection(asyncio.Protocol):
    """One connection; Tocsin's client sends one request at a time."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: asyncio.TimerHandle | None = None
        self._path = ""
        self._headers: dict[bytes, str] = {}
        self._status = 0
        self._arrived = 0.0
        self._arrived_at = datetime.now(UTC)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._arrived, self._arrived_at = time.monotonic(), datetime.now(UTC)
        self._path, self._headers = "", {}

    def on_url(self, url: bytes) -> None:
        self._path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value.decode()

    def on_message_complete(self) -> None:
        if self._path.startswith("/_deliveries/"):
            start = int(self._path.rpartition("/")[2])
            self._write(200, msgspec.json.encode(self._book.ended[start : start + PAGE]))
            return
        attempt = int(self._headers.get(b"tocsin-attempt", "0"))
        self._status, delay = self._book.answer(self._path, attempt)
        self._book.under_way += 1
        self._waiting = asyncio.get_running_loop().call_later(delay, self._answer)

    def _answer(self) -> None:
        self._note(self._status)
        self._write(self._status, b"{}")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()
            self._note(0)

    def _note(self, status: int) -> None:
        self._waiting = None
        self._book.under_way -= 1
        self._book.note(
            Delivery(
                webhook_id=self._headers.get(b"webhook-id", ""),
                attempt=int(self._headers.get(b"tocsin-attempt", "0")),
                path=self._path,
                arrived_at=self._arrived_at,
                arrived=self._arrived,
                ended=time.monotonic(),
                status=status,
            )
        )

    def _write(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            head = f"HTTP/1.1 {status} As asked\r\ncontent-length: {len(body)}\r\n\r\n"
            self._transport.write(head.encode() + body)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    book, orphaned = Book(), asyncio.Event()
    servers = [
        await loop.create_server(lambda: Connection(book), "127.0.0.1", 0) for _ in range(PORTS)
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    loop.add_reader(sys.stdin.fileno(), orphaned.set)  # readable: the other end closed it
    await orphaned.wait()


class Receiver:
    """The target in a process that nothing is done to."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.receiver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
        )
        self.ports = [int(port) for port in first_line(self._process, START_SECONDS).split()]
        assert len(self.ports) == PORTS
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def url(self, port: int, path: str) -> str:
        """Where a job's target lies; `port` from 0."""
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def deliveries(self) -> list[Delivery]:
        """All that have ended."""
        found: list[Delivery] = []
        while page := self._page(len(found)):
            found += page
        return found

    def _page(self, start: int) -> list[Delivery]:
        connection = HTTPConnection("127.0.0.1", self.ports[0], timeout=30.0)
        try:
            connection.request("GET", f"/_deliveries/{start}")
            return msgspec.json.decode(connection.getresponse().read(), type=list[Delivery])
        finally:
            connection.close()


if __name__ == "__main__":
    asyncio.run(_serve())
