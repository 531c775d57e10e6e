"""API: creating, reading and listing jobs, and all three mixed, at 64 connections."""

import random
import time

from loadtests.compare.bare import CONNECTIONS
from loadtests.compare.figures import FLASK, Figure, Measured, cpu_figure
from loadtests.measures.cpu import cpu_by_role, per_thousand, used_between
from loadtests.measures.load import Load, Outcome, Request, put
from loadtests.measures.system import System
from loadtests.scenarios.one_shots import never_due

SECONDS = 6.0
WARM_UP_SECONDS = 1.0
REST_SECONDS = 2.0
JOBS = 1_000
"""Read by id in turn."""
MIX = {"get": 60, "list": 30, "create": 10}
"""Percent of the requests, in random order."""
SEED = 20_261_124
BARS = {"create": 485.0, "get": 1_633.0, "list": 985.0, "mix": 1_135.0}
"""What the Flask build does, so what the first bar asks to be ahead of."""
CPU_BARS = {"create": 0.40, "get": 0.11, "list": 0.19}
OTHERS_CPU = {"create": 3.38, "get": 1.10, "list": 1.88, "mix": 1.35}


def measure(system: System) -> Measured:
    """Put each kind of load on the API in turn."""
    measured = Measured(figures=[], problems=[])
    for name, requests in kinds(existing_jobs(system)).items():
        put(load_of(system, requests, WARM_UP_SECONDS))
        time.sleep(REST_SECONDS)
        before = cpu_by_role(system.pid)
        outcome = put(load_of(system, requests, SECONDS))
        used = used_between(before, cpu_by_role(system.pid), generator=outcome.cpu_seconds)
        cpu = per_thousand(used, outcome.requests)
        measured.figures += figures(name, outcome, cpu)
        measured.cpu[f"api {name}"] = cpu
        measured.details[name] = outcome
        if outcome.errors or not outcome.requests:
            measured.problems.append(f"api: {outcome.errors} errors in {name}: {outcome.statuses}")
    return measured


def existing_jobs(system: System) -> list[str]:
    """The ids of new jobs that are never due."""
    load = Load(
        url=system.url,
        headers=system.headers,
        requests=[never_due()],
        count=JOBS,
        seconds=30.0,
        keep_ids=True,
    )
    outcome = put(load)
    if outcome.errors or len(outcome.ids) != JOBS:
        raise RuntimeError(f"Creating {JOBS} jobs to read went wrong: {outcome.statuses}")
    return outcome.ids


def kinds(job_ids: list[str]) -> dict[str, list[Request]]:
    """The requests of each kind of load."""
    by_kind = {
        "create": [never_due()],
        "get": [Request(method="GET", path=f"/jobs/{job_id}") for job_id in job_ids],
        "list": [Request(method="GET", path="/jobs?limit=50")],
    }
    chance = random.Random(SEED)
    drawn = chance.choices(list(MIX), weights=list(MIX.values()), k=len(job_ids))
    return by_kind | {"mix": [chance.choice(by_kind[kind]) for kind in drawn]}


def load_of(system: System, requests: list[Request], seconds: float) -> Load:
    """A load of some seconds."""
    return Load(
        url=system.url,
        headers=system.headers,
        requests=requests,
        connections=CONNECTIONS,
        seconds=seconds,
    )


def figures(kind: str, outcome: Outcome, cpu: dict[str, float]) -> list[Figure]:
    """The lines of one kind of load."""
    scenario = f"api {kind}"
    bar = BARS[kind]
    return [
        Figure(scenario, "requests", outcome.per_second, "/s", bar, "higher", {FLASK: bar}),
        Figure(scenario, "latency, p50", outcome.latency.p50, "ms"),
        Figure(scenario, "latency, p99", outcome.latency.p99, "ms"),
        Figure(scenario, "errors", outcome.errors, "requests", bar=0.0),
        cpu_figure(scenario, cpu, bar=CPU_BARS.get(kind), others={FLASK: OTHERS_CPU[kind]}),
    ]
