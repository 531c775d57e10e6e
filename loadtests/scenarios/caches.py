"""Caches: whether an API process is bounded in memory, when it is asked for more than it keeps."""

import asyncio

from loadtests.compare.bare import CONNECTIONS
from loadtests.compare.figures import Figure, Measured
from loadtests.locust.principals import Principal, prepare
from loadtests.measures.load import Load, Outcome, Request, put
from loadtests.measures.memory import memory_by_role
from loadtests.measures.system import System
from loadtests.scenarios.mix import UNHEARD
from loadtests.scenarios.one_shots import never_due

JOBS = 60_000
"""More than a process keeps of anything."""
ROUNDS = 4
"""What was kept is replaced by others, again and again: that leaves gaps between them."""
MOST_SECONDS = 300.0
ASKED_FOR_MB = 402.0
"""As k8s/base/api.yaml asks for."""


def measure(system: System) -> Measured:
    """Let 10,000 users call, and then create and read jobs, round after round."""
    figures = [_memory(system, "at first")]
    users = asyncio.run(prepare(system.url, system.operator_key, target=UNHEARD))
    outcomes = [_put(system, _calls_of(users))]
    figures.append(_memory(system, f"when {len(users):,} users have called"))
    for number in range(1, ROUNDS + 1):
        created = _put(system, [never_due()], JOBS)
        read = _put(system, [Request(method="GET", path=f"/jobs/{one}") for one in created.ids])
        outcomes += [created, read]
        figures.append(_memory(system, f"when {number * JOBS:,} jobs were read"))
    return Measured(
        figures=figures,
        problems=[f"caches: {one.errors} errors: {one.statuses}" for one in outcomes if one.errors],
    )


def _calls_of(users: list[Principal]) -> list[Request]:
    return [
        Request(method="GET", path=path, headers={"authorization": f"Bearer {user.key}"})
        for user in users
        for path in (f"/jobs/{user.job_id}", "/jobs?limit=50")
    ]


def _put(system: System, requests: list[Request], count: int | None = None) -> Outcome:
    """Each request once; or so many of them, of which the ids that were answered are kept."""
    return put(
        Load(
            url=system.url,
            headers=system.headers,
            requests=requests,
            connections=CONNECTIONS,
            count=count or len(requests),
            seconds=MOST_SECONDS,
            keep_ids=count is not None,
        )
    )


def _memory(system: System, when: str) -> Figure:
    megabytes = memory_by_role(system.pid)["api"]
    return Figure("caches", f"memory of the API {when}", megabytes, "MB", ASKED_FOR_MB)
