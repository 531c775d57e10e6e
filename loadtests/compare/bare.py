"""The bare framework, measured once a run: what figures are compared with on any machine."""

import time

import msgspec
import psutil

from loadtests.compare.served import served
from loadtests.measures.cpu import cpu_of
from loadtests.measures.load import Load, Request, put
from loadtests.measures.memory import own_megabytes

CONNECTIONS = 64
WARM_UP_SECONDS = 1.0
SECONDS = 5.0


class Bare(msgspec.Struct, frozen=True, kw_only=True):
    """What hello (loadtests/compare/hello.py) does on one core here."""

    per_second: float
    cpu: float
    """Seconds for 1,000 requests."""
    lone_ms: float
    """Of a request that has the server for itself, at the median."""
    start_seconds: float
    megabytes: float


def measure() -> Bare:
    """Start hello, and ask for it as often as it can answer."""
    began = time.monotonic()
    with served("loadtests.compare.hello") as (url, pid):
        started = time.monotonic() - began
        process = psutil.Process(pid)
        put(_load(url, WARM_UP_SECONDS))
        before = cpu_of(process)
        outcome = put(_load(url, SECONDS))
        used = cpu_of(process) - before
        return Bare(
            per_second=outcome.per_second,
            cpu=used * 1_000 / max(outcome.requests, 1),
            lone_ms=put(_load(url, WARM_UP_SECONDS, connections=1)).latency.p50,
            start_seconds=started,
            megabytes=own_megabytes(process),
        )


def _load(url: str, seconds: float, connections: int = CONNECTIONS) -> Load:
    requests = [Request(method="GET", path="/")]
    return Load(url=url, requests=requests, connections=connections, seconds=seconds)
