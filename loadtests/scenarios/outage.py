"""Outage: dispatchers were away for an hour, and 10,000 jobs fell due in each of its minutes.

The hour is not waited for: the dispatcher is stopped (SIGSTOP), the jobs are put back by an hour,
and it goes on. Meanwhile one-shot jobs tell whether what is new is still on time.
"""

import asyncio
import json
import random
import signal
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import psutil

from loadtests.compare.figures import Figure, Measured, spread_figures
from loadtests.measures.cpu import family, role_of
from loadtests.measures.latency import Spread, spread_of
from loadtests.measures.load import Load, Request, put
from loadtests.measures.memory import memory_by_role
from loadtests.measures.memory_watch import Sample, watched_memory
from loadtests.measures.system import System
from loadtests.scenarios.one_shots import instant
from loadtests.sink.process import SinkProcess

JOBS = 10_000
OUTAGE = timedelta(hours=1)
PERIOD = timedelta(minutes=1)
NEW_PER_SECOND = 50
NEW_SECONDS = 40
SETTLE_SECONDS = 20.0
PATIENCE_SECONDS = 180.0
SEED = 20_261_124
BAR_MS = 250.0
WATCH_SECONDS = 0.2
PUT_BACK = """
UPDATE jobs SET next_fire_for = next_fire_for - $1::interval,
    next_claim_at = next_claim_at - $1::interval,
    accounted_to = accounted_to - $1::interval
WHERE name = 'outage'
"""
LATE = "SELECT count(*) FROM jobs WHERE name = 'outage' AND next_claim_at < now() - interval '2 s'"
OUTCOMES = """
SELECT outcome, sum(count)::bigint AS fires, count(DISTINCT job_id) AS jobs
FROM ledger GROUP BY outcome
"""


def measure(system: System, sink: SinkProcess) -> Measured:
    """Let the jobs tick, take an hour away, and watch."""
    sink.reset()
    create_ticking(system, sink)
    dispatchers = processes(system, "dispatcher")
    url = dispatchers[0].environ()["TOCSIN_PRIMARY_URL"]
    new = create_new(system, sink)
    time.sleep(SETTLE_SECONDS)
    quiet = memory_by_role(system.pid)
    for process in dispatchers:
        process.send_signal(signal.SIGSTOP)
    asyncio.run(put_back(url))
    with watched_memory(system.pid, WATCH_SECONDS) as memory:
        began = time.monotonic()
        for process in dispatchers:
            process.send_signal(signal.SIGCONT)
        caught_up = asyncio.run(until_caught_up(url))
        seconds = time.monotonic() - began
        time.sleep(max((max(new) - datetime.now(UTC)).total_seconds() + 3, 0))
    late = lateness(sink, new, since=datetime.now(UTC) - timedelta(seconds=NEW_SECONDS + 3))
    return Measured(
        figures=figures(late, seconds, quiet, memory),
        problems=problems(caught_up, asyncio.run(outcomes(url))),
        details={"new_fires": late},
    )


def create_ticking(system: System, sink: SinkProcess) -> None:
    """Jobs that fire each minute, spread over it."""
    chance = random.Random(SEED)
    put_all(
        system,
        [
            {
                "name": "outage",
                "schedule": {
                    "every": PERIOD.total_seconds(),
                    "phase": round(chance.uniform(0, 59.9), 3),
                },
                "target": {"type": "http", "url": f"{sink.url}/ok?old"},
            }
            for _ in range(JOBS)
        ],
    )


def create_new(system: System, sink: SinkProcess) -> list[datetime]:
    """One-shot jobs at random instants of the time to come; their instants."""
    chance = random.Random(SEED)
    start = datetime.now(UTC) + timedelta(seconds=SETTLE_SECONDS + 12)
    due = [
        start + timedelta(seconds=chance.uniform(0, NEW_SECONDS))
        for _ in range(NEW_PER_SECOND * NEW_SECONDS)
    ]
    put_all(
        system,
        [
            {
                "name": "new",
                "schedule": {"at": instant(at)},
                "target": {"type": "http", "url": f"{sink.url}/ok?new={number}"},
            }
            for number, at in enumerate(due)
        ],
    )
    return due


def put_all(system: System, jobs: list[dict[str, object]]) -> None:
    """Store jobs, each once."""
    requests = [Request(method="POST", path="/jobs", body=json.dumps(job)) for job in jobs]
    load = Load(
        url=system.url,
        headers=system.headers,
        requests=requests,
        count=len(requests),
        seconds=PATIENCE_SECONDS,
    )
    outcome = put(load)
    if outcome.errors or outcome.requests != len(requests):
        raise RuntimeError(f"Creating {len(requests)} jobs went wrong: {outcome.statuses}")


def processes(system: System, role: str) -> list[psutil.Process]:
    """The running processes of a role."""
    return [one for one in family(system.pid) if role_of(one.cmdline(), "") == role]


async def put_back(url: str) -> None:
    """Make the jobs look as they do after an hour in which nobody claimed them."""
    connection = await asyncpg.connect(url)
    await connection.execute(PUT_BACK, OUTAGE)
    await connection.close()


async def until_caught_up(url: str) -> bool:
    """Wait until no job is late; whether that came true in time."""
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + PATIENCE_SECONDS
    late = -1
    while late != 0 and time.monotonic() < deadline:
        late = await connection.fetchval(LATE)
        await asyncio.sleep(0.1)
    await connection.close()
    return late == 0


async def outcomes(url: str) -> dict[str, tuple[int, int]]:
    """Fire times and jobs in the ledger, by outcome."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(OUTCOMES)
    await connection.close()
    return {row["outcome"]: (row["fires"], row["jobs"]) for row in rows}


def lateness(sink: SinkProcess, due: list[datetime], since: datetime) -> Spread:
    """How late the new jobs rang, in milliseconds."""
    late = []
    for arrival in sink.report().arrivals:
        _, _, number = arrival.path.partition("?new=")
        if number and due[int(number)] >= since:
            late.append(arrival.arrived_ns / 1e6 - due[int(number)].timestamp() * 1_000)
    return spread_of(late)


def problems(caught_up: bool, found: dict[str, tuple[int, int]]) -> list[str]:
    """What must not happen."""
    minutes = int(OUTAGE / PERIOD)
    wrong = [] if caught_up else ["outage: jobs were still late when the patience was over"]
    missed, jobs = found.get("missed", (0, 0))
    if jobs != JOBS or not JOBS * (minutes - 3) <= missed <= JOBS * (minutes + 1):
        wrong.append(f"outage: {missed} fire times of {jobs} jobs are missed in the ledger")
    return wrong


def figures(
    late: Spread, seconds: float, quiet: dict[str, float], memory: list[Sample]
) -> list[Figure]:
    """The scenario's lines."""
    p50, p99, most = spread_figures("outage", "lateness of new fires meanwhile", late)
    return [
        p50,
        Figure("outage", p99.name, p99.value, p99.unit, bar=BAR_MS),
        most,
        Figure("outage", "until all jobs are on time again", seconds, "s"),
        *(
            Figure("outage", f"memory of a {role}, {when}", megabytes, "MB")
            for role in ("dispatcher", "worker")
            for when, megabytes in (
                ("before", quiet[role]),
                ("at most", max(one.megabytes[role] for one in memory)),
            )
        ),
    ]
