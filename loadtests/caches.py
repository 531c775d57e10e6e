"""Caches: whether an API process is bounded in memory when it is asked for more than it keeps."""

import asyncio

from loadtests.bare import CONNECTIONS
from loadtests.figures import Figure, Measured
from loadtests.load import Load, Outcome, Request, put
from loadtests.memory import memory_by_role
from loadtests.mix import UNHEARD
from loadtests.one_shots import never_due
from loadtests.principals import Principal, prepare
from loadtests.system import System

JOBS = 60_000
"""More than a process keeps of anything."""
MOST_SECONDS = 300.0
BAR_GROWTH = 1.05
"""What is read when all caches are full costs next to nothing: it takes the place of others."""


def measure(system: System) -> Measured:
    """Let 10,000 users call, create and read jobs until all caches are full, and as many again."""
    at_first = _memory(system)
    users = asyncio.run(prepare(system.url, system.operator_key, target=UNHEARD))
    outcomes = [_put(system, _calls_of(users))]
    megabytes = []
    for _ in range(2):
        created = _put(system, [never_due()], JOBS)
        read = _put(system, [Request(method="GET", path=f"/jobs/{one}") for one in created.ids])
        outcomes += [created, read]
        megabytes.append(_memory(system))
    full, still = megabytes
    return Measured(
        figures=[
            Figure("caches", "memory of an API process, at first", at_first, "MB"),
            Figure("caches", "with full caches", full, "MB"),
            Figure("caches", "when as much again was read", still, "MB"),
            Figure("caches", "that / full", still / full, "", BAR_GROWTH),
        ],
        problems=[f"caches: {one.errors} errors: {one.statuses}" for one in outcomes if one.errors],
    )


def _calls_of(users: list[Principal]) -> list[Request]:
    return [
        Request(method="GET", path=path, headers={"authorization": f"Bearer {user.key}"})
        for user in users
        for path in (f"/jobs/{user.job_id}", "/jobs?limit=50")
    ]


def _put(system: System, requests: list[Request], count: int | None = None) -> Outcome:
    """Each request once, or one of them so many times."""
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


def _memory(system: System) -> float:
    return memory_by_role(system.pid)["api"]
