"""Run now, on an idle system: from the request's first byte sent to the target's first received."""

import json
import random
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import msgspec

from loadtests.compare.figures import FLASK, GRAPHILE, Figure, Measured, spread_figures
from loadtests.locust.principals import job_of
from loadtests.measures.latency import quantiles, spread_of
from loadtests.measures.system import System
from loadtests.sink.process import SinkProcess

SAMPLES = 300
PAUSE_SECONDS = (0.05, 0.15)
"""Between two requests at least and at most: nothing beats in time with them."""
RING_SECONDS = 10.0
SEED = 20_261_124
BAR_P50_MS, BAR_P99_MS = 5.0, 15.0
OTHERS_P50 = {FLASK: 8.0, GRAPHILE: 3.6}
OTHERS_P99 = {FLASK: 389.0, GRAPHILE: 11.0}


def measure(system: System, sink: SinkProcess) -> Measured:
    """Trigger a job again and again, and see when each run arrives."""
    sink.reset()
    sent = trigger(system, f"{sink.url}/ok", SAMPLES)
    sink.wait_for(SAMPLES, seconds=RING_SECONDS)
    arrived = {run_id: first[0].arrived_ns for run_id, first in sink.report().by_id().items()}
    took = [(arrived[run_id] - at) / 1e6 for run_id, at in sent.items() if run_id in arrived]
    lost = SAMPLES - len(took)
    p50, p99, most = spread_figures("run now", "request sent to target rung", spread_of(took))
    return Measured(
        figures=[
            msgspec.structs.replace(p50, bar=BAR_P50_MS, others=OTHERS_P50),
            msgspec.structs.replace(p99, bar=BAR_P99_MS, others=OTHERS_P99),
            most,
            Figure("run now", "lost", lost, "fires", bar=0.0),
        ],
        problems=[f"run now: {lost} of {SAMPLES} runs did not ring"] if lost else [],
        details={"quantiles_ms": quantiles(took)},
    )


def trigger(system: System, target: str, count: int) -> dict[str, int]:
    """When each run was asked for, in nanoseconds since 1970, by its id."""
    address = urlsplit(system.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=RING_SECONDS)
    _, job = _post(connection, system, "/jobs", json.dumps(job_of(target)))
    chance = random.Random(SEED)
    sent: dict[str, int] = {}
    for _ in range(count):
        time.sleep(chance.uniform(*PAUSE_SECONDS))
        at, run = _post(connection, system, f"/jobs/{job['id']}/trigger")
        sent[run["id"]] = at
    connection.close()
    return sent


def _post(
    connection: HTTPConnection, system: System, path: str, body: str | None = None
) -> tuple[int, dict[str, str]]:
    """When it was sent, and what was answered."""
    at = time.time_ns()
    connection.request("POST", path, body, system.headers | {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"POST {path} answered {answer.status}: {content[:200]!r}")
    return at, json.loads(content)
