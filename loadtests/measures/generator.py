"""A small HTTP/1.1 load generator: keep-alive connections, each sending when it was answered.

Reads a `Load` as JSON from standard input, or takes a URL; writes the `Outcome` as JSON.
"""

import argparse
import asyncio
import gc
import sys
import time
from array import array
from collections import Counter
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec
import uvloop

from loadtests.measures.latency import spread_of
from loadtests.measures.load import GRACE_SECONDS, MAX_REQUESTS, Load, Outcome, Request

MAX_BROKEN = 1_000  # then the server is not worth reconnecting to
RECONNECT_SECONDS = 0.01


class WithId(msgspec.Struct):
    """The one field kept of an answer."""

    id: str = ""


class Measurement:
    """A load in progress: hands out requests and takes in answers."""

    def __init__(self, load: Load) -> None:
        self._payloads = [rendered(request, load) for request in load.requests]
        self._count = min(load.count, MAX_REQUESTS)
        self._may_break = load.connections + MAX_BROKEN
        self._latencies = array("d")
        self._statuses: Counter[int] = Counter()
        self._bodies: dict[int, bytes] = {}
        self._taken = 0
        self.keeps_bodies = load.keep_ids
        self._cpu_before = time.process_time()
        self._started_at = self._ended_at = time.perf_counter()
        self._deadline = self._started_at + load.seconds

    def exhausted(self) -> bool:
        """Whether there are no more requests, no more time, or too many broken requests."""
        return (
            self._taken >= self._count
            or self._taken - len(self._latencies) > self._may_break
            or time.perf_counter() >= self._deadline
        )

    def take(self) -> tuple[int, bytes]:
        """The next request and its number."""
        number = self._taken
        self._taken += 1
        return number, self._payloads[number % len(self._payloads)]

    def answered(self, number: int, sent_at: float, status: int, body: bytes) -> None:
        """Take in an answer."""
        self._ended_at = time.perf_counter()
        self._latencies.append((self._ended_at - sent_at) * 1_000)
        self._statuses[status] += 1
        if self.keeps_bodies:
            self._bodies[number] = body

    def outcome(self) -> Outcome:
        """What came of it; whatever was taken and not answered is broken."""
        answered = len(self._latencies)
        seconds = max(self._ended_at - self._started_at, 1e-9)
        return Outcome(
            requests=answered,
            statuses=dict(self._statuses),
            broken=self._taken - answered,
            seconds=seconds,
            per_second=answered / seconds,
            latency=spread_of(self._latencies),
            cpu_seconds=time.process_time() - self._cpu_before,
            ids=[id_in(self._bodies[number]) for number in sorted(self._bodies)],
        )


class Connection(asyncio.Protocol):
    """One connection's closed loop: send, wait for the answer, send the next."""

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._number = -1
        self._sent_at = 0.0
        self._body = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._close()

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the answer if bodies are wanted."""
        if self._measurement.keeps_bodies:
            self._body += body

    def on_message_complete(self) -> None:
        """Take the time and go on."""
        status = self._parser.get_status_code()
        self._measurement.answered(self._number, self._sent_at, status, self._body)
        self._body = b""
        if self._parser.should_keep_alive():
            self._send()
        else:
            self._close()

    def _send(self) -> None:
        if self._transport is None or self._measurement.exhausted():
            self._close()
            return
        self._number, payload = self._measurement.take()
        self._sent_at = time.perf_counter()
        self._transport.write(payload)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def rendered(request: Request, load: Load) -> bytes:
    """The bytes of a request."""
    body = request.body.encode()
    headers = {"host": urlsplit(load.url).netloc, **load.headers, **request.headers}
    if body:
        headers["content-type"] = "application/json"
    if body or request.method not in ("GET", "DELETE"):
        headers["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def id_in(body: bytes) -> str:
    """The `id` of a JSON object, or nothing."""
    try:
        return msgspec.json.decode(body, type=WithId).id
    except msgspec.DecodeError:
        return ""


async def keep_connected(load: Load, measurement: Measurement) -> None:
    """Hold one connection, opened anew when the server closes it, until all is sent."""
    loop = asyncio.get_running_loop()
    while not measurement.exhausted():
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(measurement), *load.address()
            )
        except OSError:
            if not measurement.exhausted():
                measurement.take()  # and never answered, so it counts as broken
            await asyncio.sleep(RECONNECT_SECONDS)
        else:
            await connection.lost.wait()


async def generate(load: Load) -> Outcome:
    """Put the load on its server, no longer than its seconds and a grace for the last answers."""
    measurement = Measurement(load)
    gc.freeze()
    tasks = [
        asyncio.create_task(keep_connected(load, measurement)) for _ in range(load.connections)
    ]
    _, late = await asyncio.wait(tasks, timeout=load.seconds + GRACE_SECONDS)
    for task in late:
        task.cancel()
    return measurement.outcome()


def main() -> None:
    """Generate load from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m loadtests.measures.generator"
    )
    parser.add_argument("--url", help="GET this; without it a Load is read from stdin")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    chosen = parser.parse_args()
    if chosen.url:
        origin, path = split_url(chosen.url)
        requests = [Request(method="GET", path=path)]
        load = Load(
            url=origin, requests=requests, connections=chosen.connections, seconds=chosen.seconds
        )
    else:
        load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    load.address()
    outcome = uvloop.run(generate(load))
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")


def split_url(url: str) -> tuple[str, str]:
    """A URL's origin and the rest of it."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{parts.scheme}://{parts.netloc}", path


if __name__ == "__main__":
    main()
