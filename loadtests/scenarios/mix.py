"""Mix: nine reads to one write, of 10,000 users of 1,000 services, each with a key of its own."""

import asyncio
import random
import time

from loadtests.compare.bare import CONNECTIONS
from loadtests.compare.figures import FLASK, Figure, Measured, cpu_figure
from loadtests.locust.principals import SERVICES, USERS, Principal, prepare
from loadtests.measures.cpu import cpu_by_role, per_thousand, used_between
from loadtests.measures.load import MAX_REQUESTS, Load, Outcome, Request, put
from loadtests.measures.system import System
from loadtests.scenarios.one_shots import never_due

SHARES = {"get": 60, "list": 30, "create": 10}
"""Percent of the requests, in random order."""
SECONDS = 15.0
WARM_UP_SECONDS = 60.0
WARM_UP_ROUNDS = 2
"""So often everybody calls before it counts: a key is looked up when it is new to a process."""
REST_SECONDS = 2.0
REQUESTS_OF_A_USER = 4
SEED = 20_261_124
BAR_RATE = 6_000.0
BAR_P99_MS = 50.0
UNHEARD = "http://127.0.0.1:9/"


def measure(system: System, *, users: int = USERS, services: int = SERVICES) -> Measured:
    """Make the users, warm up, and measure."""
    requests = requests_of(
        asyncio.run(
            prepare(system.url, system.operator_key, target=UNHEARD, users=users, services=services)
        )
    )
    put(_load(system, requests, WARM_UP_SECONDS, count=users * WARM_UP_ROUNDS))
    time.sleep(REST_SECONDS)
    before = cpu_by_role(system.pid)
    outcome = put(_load(system, requests, SECONDS))
    used = used_between(before, cpu_by_role(system.pid), generator=outcome.cpu_seconds)
    cpu = per_thousand(used, outcome.requests)
    wrong = outcome.errors or not outcome.requests
    return Measured(
        figures=figures(outcome, cpu),
        problems=[f"mix: {outcome.errors} errors: {outcome.statuses}"] if wrong else [],
        cpu={"mix": cpu},
        details={"outcome": outcome},
    )


def requests_of(principals: list[Principal]) -> list[Request]:
    """Some requests of every user, those of one user far apart."""
    chance = random.Random(SEED)
    create = never_due()
    kinds = chance.choices(
        list(SHARES), weights=list(SHARES.values()), k=len(principals) * REQUESTS_OF_A_USER
    )
    return [
        _request(kind, principals[number % len(principals)], create.body)
        for number, kind in enumerate(kinds)
    ]


def _request(kind: str, user: Principal, job: str) -> Request:
    headers = {"authorization": f"Bearer {user.key}"}
    match kind:
        case "get":
            return Request(method="GET", path=f"/jobs/{user.job_id}", headers=headers)
        case "list":
            return Request(method="GET", path="/jobs?limit=50", headers=headers)
    return Request(method="POST", path="/jobs", body=job, headers=headers)


def _load(
    system: System, requests: list[Request], seconds: float, count: int = MAX_REQUESTS
) -> Load:
    return Load(
        url=system.url, requests=requests, connections=CONNECTIONS, count=count, seconds=seconds
    )


def figures(outcome: Outcome, cpu: dict[str, float]) -> list[Figure]:
    """The scenario's lines."""
    rate = outcome.per_second
    return [
        Figure("mix", "requests", rate, "/s", BAR_RATE, "higher", {FLASK: 1_135.0}),
        Figure("mix", "latency, p50", outcome.latency.p50, "ms"),
        Figure("mix", "latency, p99", outcome.latency.p99, "ms", BAR_P99_MS),
        Figure("mix", "errors", outcome.errors, "requests", bar=0.0),
        cpu_figure("mix", cpu, others={FLASK: 1.35}),
    ]
