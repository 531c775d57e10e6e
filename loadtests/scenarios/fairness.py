"""Fairness: 100,000 jobs of one service are due at one instant; another's single runs go on."""

import asyncio
import bisect
import time
from datetime import UTC, datetime, timedelta

import asyncpg

from commands.firing.claims.claim_runs import JOBS_AT_ONCE
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from loadtests.compare.figures import Figure, Measured, spread_figures
from loadtests.measures.cpu import family, role_of
from loadtests.measures.latency import Spread, spread_of
from loadtests.measures.load import Load, Request, put
from loadtests.measures.system import System
from loadtests.scenarios.one_shots import creation, sleep_until
from loadtests.sink.arrivals import Arrival
from loadtests.sink.process import SinkProcess
from storage.shards import Shards
from storage.urls import ShardUrls

FLOOD = 100_000
SINGLES_PER_SECOND = 5
BEFORE = timedelta(seconds=4)
"""Singles are due from so long before the flood until so long after it."""
AFTER = timedelta(seconds=30)
MARGIN = timedelta(seconds=90)
"""From the start until the flood: it is copied in the database meanwhile."""
CREATE_SECONDS = 60.0
GRACE_SECONDS = 10.0
BAR_BATCHES = 1.0

# Copies of one job that the API stored; nobody lists them, so they need no listings.
_COPY = """
INSERT INTO jobs
SELECT (jsonb_populate_record(jobs, jsonb_build_object('id', gen_random_uuid()))).*
FROM jobs, generate_series(2, $2::int)
WHERE jobs.id = $1
"""


def measure(system: System, sink: SinkProcess) -> Measured:
    """Let the flood come, and see how late the other service's runs are."""
    sink.reset()
    flood_at = datetime.now(UTC) + MARGIN
    (job_id,) = create(system, [creation(f"{sink.url}/ok?flood", flood_at)], system.key)
    singles = instants(flood_at)
    requests = [creation(f"{sink.url}/ok?single={n}", at) for n, at in enumerate(singles)]
    create(system, requests, asyncio.run(other_key(system)))
    asyncio.run(copy(primary_url(system), job_id))
    if datetime.now(UTC) >= flood_at - BEFORE:
        raise RuntimeError("Making the flood took until it was due; is the machine busy?")
    sleep_until(max(singles))
    sink.wait_for(FLOOD + len(singles), seconds=GRACE_SECONDS)
    return compare(sink.report().arrivals, singles, flood_at)


def instants(flood_at: datetime) -> list[datetime]:
    """When the other service's runs are due: some before the flood, one with it, some after."""
    count = int((BEFORE + AFTER).total_seconds() * SINGLES_PER_SECOND) + 1
    return [flood_at - BEFORE + timedelta(seconds=n / SINGLES_PER_SECOND) for n in range(count)]


def create(system: System, requests: list[Request], key: str) -> list[str]:
    """Store jobs as a service; their ids in order."""
    load = Load(
        url=system.url,
        headers={"authorization": f"Bearer {key}"},
        requests=requests,
        count=len(requests),
        seconds=CREATE_SECONDS,
        keep_ids=True,
    )
    outcome = put(load)
    if outcome.errors or outcome.requests != len(requests):
        raise RuntimeError(f"Creating {len(requests)} jobs went wrong: {outcome.statuses}")
    return outcome.ids


def primary_url(system: System) -> str:
    """Where the system's primary is."""
    return environment(system)["TOCSIN_PRIMARY_URL"]


def environment(system: System) -> dict[str, str]:
    """What the system's dispatcher was told."""
    for process in family(system.pid):
        if role_of(process.cmdline(), "") == "dispatcher":
            found: dict[str, str] = process.environ()
            return found
    raise RuntimeError("No dispatcher runs.")


async def other_key(system: System) -> str:
    """The key of a second service."""
    told = environment(system)
    shards = Shards(
        ShardUrls(primary=told["TOCSIN_PRIMARY_URL"], replicas=(), redis=told["TOCSIN_REDIS_URL"])
    )
    name = f"fairness-{time.time_ns()}"
    key = await bootstrap_key(BootstrapKey(service_name=name, now=datetime.now(UTC)), shards)
    await shards.close()
    return key


async def copy(url: str, job_id: str) -> None:
    """Make a flood of one job."""
    connection = await asyncpg.connect(url)
    await connection.execute(_COPY, job_id, FLOOD, timeout=CREATE_SECONDS)
    await connection.execute("ANALYZE jobs")
    await connection.close()


def compare(arrivals: list[Arrival], singles: list[datetime], flood_at: datetime) -> Measured:
    """How late each single was, and how many runs of the flood rang meanwhile."""
    arrived: dict[int, int] = {}
    for one in arrivals:
        if "?single=" in one.path:
            arrived.setdefault(int(one.path.rpartition("=")[2]), one.arrived_ns)
    flood = sorted(one.arrived_ns for one in arrivals if one.path.endswith("?flood"))
    due = {n: int(singles[n].timestamp() * 1e9) for n in arrived}
    late = spread_of((arrived[n] - due[n]) / 1e6 for n in arrived)
    batches = spread_of(
        (bisect.bisect(flood, arrived[n]) - bisect.bisect(flood, due[n])) / JOBS_AT_ONCE
        for n in arrived
    )
    lost = len(singles) - len(arrived)
    return Measured(
        figures=figures(late, batches, len(flood), rate_of(flood, flood_at)),
        problems=[f"fairness: {lost} of the other service's fires did not arrive"] if lost else [],
        details={"lateness": late, "batches": batches},
    )


def rate_of(flood: list[int], flood_at: datetime) -> float:
    """Runs of the flood a second while it lasted."""
    last = flood[-1] / 1e9 if flood else 0.0
    return len(flood) / max(last - flood_at.timestamp(), 1e-9)


def figures(late: Spread, batches: Spread, flood: int, rate: float) -> list[Figure]:
    """The scenario's lines."""
    return [
        Figure("fairness", "runs of the flood meanwhile", flood, "runs"),
        Figure("fairness", "their rate", rate, "/s"),
        *spread_figures("fairness", "lateness of another service's runs", late),
        Figure("fairness", "batches of the flood rung before them, p50", batches.p50, "batches"),
        Figure(
            "fairness",
            "batches of the flood rung before them, p99",
            batches.p99,
            "batches",
            bar=BAR_BATCHES,
        ),
        Figure("fairness", "batches of the flood rung before them, max", batches.most, "batches"),
    ]
