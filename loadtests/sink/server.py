"""An HTTP target that answers fast, misbehaves on request, and counts what reaches it.

The path says how it behaves; a query string is recorded and otherwise ignored:

    /ok               200 (and so does any path not listed here)
    /status/503       that status
    /slow/250         200 after so many milliseconds
    /fail/3           500 for the first three arrivals of a webhook-id, then 200
    /retry-after/2    503 with Retry-After: 2 for its first arrival, then 200
    /hang             never answers
    GET /_counts      the numbers, GET /_report the arrivals too, POST /_reset forgets them
"""

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import httptools
import msgspec
import uvloop

from loadtests.sink.arrivals import MAX_ARRIVALS, Arrival, Arrivals

MAX_SECONDS = 3_600
BACKLOG = 4_096


class Answer(msgspec.Struct, frozen=True):
    """What the sink sends back, and how many seconds later; None: never."""

    status: int
    delay: float | None = 0.0
    headers: str = ""


OK = Answer(200)


def answer_for(path: str, seen: int) -> Answer:
    """How to answer a request whose webhook-id was seen so many times before."""
    if path == "/ok":
        return OK
    behaviour, _, argument = path[1:].partition("?")[0].partition("/")
    choose = BEHAVIOURS.get(behaviour)
    if choose is None:
        return OK
    try:
        return choose(float(argument or 0), seen)
    except ValueError:
        return Answer(400)


BEHAVIOURS: dict[str, Callable[[float, int], Answer]] = {
    "status": lambda status, _: Answer(HTTPStatus(int(status))),
    "slow": lambda milliseconds, _: Answer(200, delay=milliseconds / 1_000),
    "fail": lambda times, seen: Answer(500) if seen < times else OK,
    "retry-after": lambda seconds, seen: (
        OK if seen else Answer(503, headers=f"retry-after: {int(seconds)}\r\n")
    ),
    "hang": lambda _, __: Answer(0, delay=None),
}


@lru_cache(maxsize=1_024)
def rendered(status: int, headers: str) -> bytes:
    """The bytes of an answer without content."""
    return response(status, headers, b"" if status in (204, 304) else b"{}")


def response(status: int, headers: str, body: bytes) -> bytes:
    """The bytes of an HTTP/1.1 answer with a JSON body."""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    ).encode() + body


class Pending:
    """An answer that waits for its time, or for those before it on the connection."""

    __slots__ = ("payload", "ready")

    def __init__(self, payload: bytes, *, ready: bool) -> None:
        self.payload = payload
        self.ready = ready


class SinkProtocol(asyncio.Protocol):
    """One connection: requests are answered in the order they came, as pipelining asks."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._loop = asyncio.get_running_loop()
        self._pending: deque[Pending] = deque()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._arrived_ns = 0
        self._path = self._webhook_id = self._attempt = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._pending.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def on_message_begin(self) -> None:
        """Stamp the request's first byte."""
        self._arrived_ns = time.time_ns()
        self._path = self._webhook_id = self._attempt = ""

    def on_url(self, url: bytes) -> None:
        """Take a piece of the path."""
        self._path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take the two headers that identify a delivery."""
        lowered = name.lower()
        if lowered == b"webhook-id":
            self._webhook_id = value.decode("latin-1")
        elif lowered == b"tocsin-attempt":
            self._attempt = value.decode("latin-1")

    def on_message_complete(self) -> None:
        """Record and answer."""
        if self._path.startswith("/_"):
            self._send(self._control(self._path), delay=0.0)
        else:
            self._deliver()
        if not self._parser.should_keep_alive() and not self._pending:
            self._close()

    def _deliver(self) -> None:
        answer = answer_for(self._path, self._arrivals.seen(self._webhook_id))
        self._arrivals.record(
            Arrival(self._webhook_id, self._attempt, self._arrived_ns, self._path, answer.status)
        )
        self._send(rendered(answer.status or 200, answer.headers), delay=answer.delay)

    def _control(self, path: str) -> bytes:
        match path.encode(), self._parser.get_method():
            case b"/_counts", b"GET":
                return response(200, "", msgspec.json.encode(self._arrivals.counts()))
            case b"/_report", b"GET":
                return response(200, "", msgspec.json.encode(self._arrivals.report()))
            case b"/_reset", b"POST":
                self._arrivals.reset()
                return rendered(204, "")
        return rendered(404, "")

    def _send(self, payload: bytes, *, delay: float | None) -> None:
        if delay == 0.0 and not self._pending:
            if self._transport is not None:
                self._transport.write(payload)
            return
        pending = Pending(payload, ready=delay == 0.0)
        self._pending.append(pending)
        if delay:
            self._loop.call_later(delay, self._release, pending)

    def _release(self, pending: Pending) -> None:
        pending.ready = True
        while self._pending and self._pending[0].ready and self._transport is not None:
            self._transport.write(self._pending.popleft().payload)
        if not self._parser.should_keep_alive() and not self._pending:
            self._close()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def serve(*, host: str, port: int, keep: int, seconds: float, with_parent: bool) -> None:
    """Serve until the time is up, or until the parent closes our standard input."""
    loop = asyncio.get_running_loop()
    arrivals = Arrivals(keep)
    server = await loop.create_server(lambda: SinkProtocol(arrivals), host, port, backlog=BACKLOG)
    bound_host, bound_port = server.sockets[0].getsockname()
    print(f"http://{bound_host}:{bound_port}", flush=True)
    orphaned = asyncio.Event()
    if with_parent:
        loop.add_reader(sys.stdin.fileno(), orphaned.set)  # readable: the other end closed it
    try:
        await asyncio.wait_for(orphaned.wait(), seconds)
    except TimeoutError:
        print("The sink's time is up.", file=sys.stderr)


def main() -> None:
    """Run the sink from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.sink.server")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--keep", type=int, default=MAX_ARRIVALS, help="arrivals remembered")
    parser.add_argument("--seconds", type=float, default=MAX_SECONDS, help="then it stops")
    parser.add_argument("--with-parent", action="store_true", help="stop when stdin closes")
    chosen = parser.parse_args()
    serving = serve(
        host=chosen.host,
        port=chosen.port,
        keep=chosen.keep,
        seconds=chosen.seconds,
        with_parent=chosen.with_parent,
    )
    try:
        uvloop.run(serving)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
