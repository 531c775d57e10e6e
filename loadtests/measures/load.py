"""A load to put on a local server, and what came of it."""

import subprocess
import sys
from urllib.parse import urlsplit

import msgspec

from loadtests import CHECKOUT
from loadtests.measures.latency import Spread

GRACE_SECONDS = 10.0
MAX_REQUESTS = 1_000_000


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request; its body, if any, is JSON."""

    method: str
    path: str
    body: str = ""
    headers: dict[str, str] = {}
    """Beside those of the load."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Requests sent in turn, again and again, by a number of connections in a closed loop."""

    url: str
    """Scheme, address and port; only 127.0.0.1."""
    requests: list[Request]
    headers: dict[str, str] = {}
    connections: int = 64
    count: int = MAX_REQUESTS
    """Ends after so many requests, or after so many seconds if that is sooner."""
    seconds: float
    keep_ids: bool = False
    """Keep the `id` of every JSON answer, in the order of the requests."""

    def address(self) -> tuple[str, int]:
        """Host and port, refusing any other machine."""
        parts = urlsplit(self.url)
        if parts.hostname != "127.0.0.1" or parts.scheme != "http" or parts.port is None:
            raise ValueError(f"Load goes to http://127.0.0.1:<port> only, not to {self.url}.")
        return parts.hostname, parts.port


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a load met with."""

    requests: int
    """Answered requests, whatever the status."""
    statuses: dict[int, int]
    broken: int
    """Requests without an answer: the connection was refused, lost, or the time was up."""
    seconds: float
    """From the first request to the last answer."""
    per_second: float
    latency: Spread
    cpu_seconds: float
    """The generator's own CPU time."""
    ids: list[str]

    @property
    def errors(self) -> int:
        """Requests that were not answered with success."""
        refused = sum(times for status, times in self.statuses.items() if status >= 400)
        return self.broken + refused


def put(load: Load) -> Outcome:
    """Put a load on a server from a process of its own, and wait for its end."""
    load.address()
    finished = subprocess.run(
        [sys.executable, "-m", "loadtests.measures.generator"],
        input=msgspec.json.encode(load),
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        timeout=load.seconds + 6 * GRACE_SECONDS,
        check=True,
    )
    return msgspec.json.decode(finished.stdout, type=Outcome)
