"""The sink's own limit: what the other figures cannot exceed, whatever Tocsin does."""

import psutil

from loadtests.compare.figures import Figure, Measured
from loadtests.measures.cpu import cpu_of, per_thousand
from loadtests.measures.load import Load, Request, put
from loadtests.sink.process import SinkProcess

CONNECTIONS = 64
SECONDS = 3.0
REQUESTS = 200_000  # fewer than the sink remembers, so that it remembers every one
HEADERS = {
    "webhook-timestamp": "1795461214",
    "webhook-signature": f"v1,{'A' * 44}",
    "traceparent": f"00-{'0' * 32}-{'0' * 16}-01",
    "tocsin-attempt": "1",
    "tocsin-scheduled-for": "2026-11-24T03:00:00.123456Z",
    "user-agent": "tocsin",
}


def measure(sink: SinkProcess) -> Measured:
    """Send deliveries like Tocsin's straight to the sink."""
    sink.reset()
    requests = [Request(method="POST", path=f"/ok?n={n}", body='{"n": 1}') for n in range(1_000)]
    load = Load(
        url=sink.url,
        headers=HEADERS | {"webhook-id": "limit"},
        requests=requests,
        connections=CONNECTIONS,
        count=REQUESTS,
        seconds=SECONDS,
    )
    process = psutil.Process(sink.pid)
    before = cpu_of(process)
    outcome = put(load)
    used = {"sink": cpu_of(process) - before, "generator": outcome.cpu_seconds}
    counted = sink.counts().total
    sink.reset()
    problems = []
    if outcome.errors or counted != outcome.requests:
        problems.append(f"sink: answered {outcome.requests}, counted {counted}: {outcome.statuses}")
    return Measured(
        figures=[Figure("sink", "its own limit", outcome.per_second, "/s")],
        problems=problems,
        cpu={"sink": per_thousand(used, outcome.requests)},
        details={"outcome": outcome},
    )
