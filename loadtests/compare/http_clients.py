"""What a request costs by the workers' own HTTP client, and by aiohttp within the same rules.

`python -m loadtests.compare.http_clients` prints the CPU of this process a request, in turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median
from uuid import uuid4

import aiohttp
import uvloop
from yarl import URL

from domain.targets.egress import Egress, parse_egress
from domain.targets.kinds.http import HttpTarget
from loadtests.sink.process import SinkProcess
from workers.targets.http.egress import check_host, guarded_socket
from workers.targets.http.transport import Transport

REQUESTS = 5_000
AT_ONCE = 64
TURNS = 7
STORED_BYTES = 4_096
TIMEOUT_SECONDS = 10.0
BODY = b'{"kind":"nightly","number":1}'
HEADERS = {
    "content-type": "application/json",
    "user-agent": "tocsin",
    "webhook-id": "01a230b4-d252-72a4-8286-0add3325ee6e",
    "webhook-timestamp": "1800000000",
    "webhook-signature": "v1," + 43 * "a" + "=",
    "tocsin-attempt": "1",
}
Request = Callable[[], Awaitable[None]]


async def seconds_each(request: Request) -> float:
    """CPU seconds of this process for one of many requests."""
    left = iter(range(REQUESTS))

    async def sender() -> None:
        for _ in left:
            await request()

    begun = time.process_time()
    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return (time.process_time() - begun) / REQUESTS


def ours(url: str, egress: Egress, stack: AsyncExitStack) -> Request:
    """By workers.targets.http."""
    transport = Transport(egress, AT_ONCE)
    stack.push_async_callback(transport.close)
    target, service = HttpTarget(url=url), uuid4()

    async def request() -> None:
        await transport.request(target, BODY, HEADERS, service)

    return request


def by_aiohttp(url: str, egress: Egress, stack: AsyncExitStack) -> Request:
    """By aiohttp: nothing followed or decoded, addresses checked as the socket is made."""
    connector = aiohttp.TCPConnector(limit=AT_ONCE, socket_factory=guarded_socket(egress))
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        auto_decompress=False,
    )
    stack.push_async_callback(session.close)

    async def request() -> None:
        where = URL(url, encoded=True)
        check_host(where.host or "", egress)
        async with session.post(where, data=BODY, headers=HEADERS, allow_redirects=False) as answer:
            await answer.content.read(STORED_BYTES)
            async for _ in answer.content.iter_any():
                pass

    return request


async def compare(url: str) -> dict[str, list[float]]:
    """Microseconds of CPU a request, turn by turn."""
    egress = parse_egress(["127.0.0.0/8"], [])
    async with AsyncExitStack() as stack:
        clients = {"ours": ours(url, egress, stack), "aiohttp": by_aiohttp(url, egress, stack)}
        found: dict[str, list[float]] = {name: [] for name in clients}
        for request in clients.values():
            await seconds_each(request)
        for _ in range(TURNS):
            for name, request in clients.items():
                found[name].append(await seconds_each(request) * 1e6)
    return found


def main() -> None:
    """Print the medians, with the least and the most."""
    sink = SinkProcess(keep=0).start()
    try:
        for name, turns in uvloop.run(compare(sink.url)).items():
            print(f"{name}: {median(turns):.0f} µs ({min(turns):.0f} to {max(turns):.0f})")
    finally:
        sink.stop()


if __name__ == "__main__":
    main()
