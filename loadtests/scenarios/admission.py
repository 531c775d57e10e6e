"""Admission: what authentication and rate limits cost a read that hits the cache."""

from statistics import median

import psutil

from loadtests.compare.bare import CONNECTIONS
from loadtests.compare.figures import Figure, Measured
from loadtests.compare.served import served
from loadtests.measures.cpu import cpu_of
from loadtests.measures.load import Load, Request, put
from loadtests.measures.system import System
from loadtests.scenarios.api import WARM_UP_SECONDS, existing_jobs

ROUNDS = 5
SECONDS = 3.0
MOST = 1.25


def measure(system: System) -> Measured:
    """The same reads through two API processes in turn, one of which lets everybody in."""
    measured = Measured(figures=[], problems=[])
    paths = [f"/jobs/{job_id}" for job_id in existing_jobs(system)]
    service_id = system.get("/me")["service_id"]
    environment = system.environment_of("api")
    module, ready = "loadtests.compare.open_api", "/health/ready"
    with (
        served(module, environment=environment, path=ready) as guarded,
        served(module, service_id, environment=environment, path=ready) as unguarded,
    ):
        costs = [
            [_cost(system, url, pid, paths, measured) for url, pid in (guarded, unguarded)]
            for _ in range(ROUNDS)
        ]
    ratios = [with_both / without for with_both, without in costs]
    measured.figures = [
        Figure("admission", "get, CPU with both", median(cost[0] for cost in costs), "s/1k"),
        Figure("admission", "get, CPU without", median(cost[1] for cost in costs), "s/1k"),
        Figure("admission", "with / without, median", median(ratios), "", MOST),
        Figure("admission", "with / without, least", min(ratios), ""),
        Figure("admission", "with / without, most", max(ratios), ""),
    ]
    return measured


def _cost(system: System, url: str, pid: int, paths: list[str], measured: Measured) -> float:
    """CPU seconds of the process for 1,000 requests."""
    process = psutil.Process(pid)
    requests = [Request(method="GET", path=path) for path in paths]

    def load(seconds: float) -> Load:
        return Load(
            url=url,
            headers=system.headers,
            requests=requests,
            connections=CONNECTIONS,
            seconds=seconds,
        )

    put(load(WARM_UP_SECONDS))
    before = cpu_of(process)
    outcome = put(load(SECONDS))
    if outcome.errors or not outcome.requests:
        measured.problems.append(f"admission: {outcome.errors} errors: {outcome.statuses}")
    return (cpu_of(process) - before) * 1_000 / max(outcome.requests, 1)
