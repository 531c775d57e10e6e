"""Reads: warm and cold, beside a bare framework, and what reaches Postgres."""

import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from loadtests.compare.bare import CONNECTIONS, Bare
from loadtests.compare.figures import Figure, Measured, cpu_figure
from loadtests.measures.cpu import cpu_by_role, per_thousand, used_between
from loadtests.measures.load import MAX_REQUESTS, Load, Outcome, Request, put
from loadtests.measures.system import System
from loadtests.scenarios.api import REST_SECONDS, WARM_UP_SECONDS, existing_jobs

SECONDS = 5.0
MISSES = 900  # of 1,000 jobs; with few, what idles counts for more than they do
SHARE_OF_HELLO = 0.6
"""A hit costs at most what a bare hello costs, divided by this."""

CPU_BARS = {"reads get, warm": 0.11, "reads list, warm": 0.19, "reads list, cold": 0.45}

Counts = dict[str, float]


def measure(system: System, bare: Bare) -> Measured:
    """Reads that hit, reads that miss, and what they asked of Postgres."""
    measured = Measured(figures=[], problems=[])
    jobs = existing_jobs(system)
    get = [Request(method="GET", path=f"/jobs/{job_id}") for job_id in jobs]
    pages = [
        Request(method="GET", path=f"/jobs?limit=50&cursor={cursor}") for cursor in _cursors(system)
    ]
    kinds = {
        "get, warm": (get, None),
        "list, warm": ([Request(method="GET", path="/jobs?limit=50")], None),
        "list, cold": (pages, len(pages)),
    }
    for name, (requests, count) in kinds.items():
        _measure_kind(system, name, requests, count, measured)
    cost = measured.cpu["reads get, warm"]["api"]
    measured.figures.append(
        Figure(
            "reads", "hello / get, CPU of the API", bare.cpu / cost, "", SHARE_OF_HELLO, "higher"
        )
    )
    return measured


def _measure_kind(
    system: System, name: str, requests: list[Request], count: int | None, measured: Measured
) -> None:
    if count is None:
        put(_load(system, requests, WARM_UP_SECONDS))
    time.sleep(REST_SECONDS)
    before, counted = cpu_by_role(system.pid), _counts(system)
    outcome = put(_load(system, requests, SECONDS, count))
    used = used_between(before, cpu_by_role(system.pid), generator=outcome.cpu_seconds)
    reads = _difference(counted, _counts(system))
    cpu = per_thousand(used, outcome.requests)
    scenario = f"reads {name}"
    measured.cpu[scenario] = cpu
    measured.details[scenario] = {"outcome": outcome, "reads": reads}
    measured.figures += _figures(scenario, outcome, cpu, reads)
    if outcome.errors:
        measured.problems.append(f"{scenario}: {outcome.errors} errors: {outcome.statuses}")


def _figures(scenario: str, outcome: Outcome, cpu: dict[str, float], reads: Counts) -> list[Figure]:
    thousands = max(outcome.requests, 1) / 1_000
    hits = reads.get("memory", 0.0) + reads.get("redis", 0.0)
    return [
        Figure(scenario, "requests", outcome.per_second, "/s"),
        Figure(scenario, "latency, p99", outcome.latency.p99, "ms"),
        cpu_figure(scenario, cpu, bar=CPU_BARS[scenario]),
        Figure(scenario, "hit ratio", hits / max(outcome.requests, 1), ""),
        Figure(
            scenario,
            "asked of the primary",
            reads.get("server primary", 0.0) / thousands,
            "/1k",
            0.0,
        ),
    ]


def _cursors(system: System) -> list[str]:
    """Of pages that nobody has asked for yet."""
    cursors: list[str] = []
    page = system.get("/jobs?limit=1")
    while page["next_cursor"] and len(cursors) < MISSES:
        cursors.append(page["next_cursor"])
        page = system.get(f"/jobs?limit=1&cursor={cursors[-1]}")
    return cursors


def _load(
    system: System, requests: list[Request], seconds: float, count: int | None = None
) -> Load:
    return Load(
        url=system.url,
        headers=system.headers,
        requests=requests,
        connections=CONNECTIONS,
        seconds=seconds,
        count=count or MAX_REQUESTS,
    )


def _counts(system: System) -> Counts:
    """How many reads each layer and each server has answered."""
    address = urlsplit(system.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    counts: Counts = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "tocsin_cached_reads_total":
                counts[sample.labels["layer"]] = sample.value
            elif sample.name == "tocsin_reads_total":
                counts[f"server {sample.labels['server']}"] = sample.value
    return counts


def _difference(before: Counts, after: Counts) -> Counts:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}
