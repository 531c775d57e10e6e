"""A process whose clock is wrong does nothing that needs one, says so, and comes back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import dramatiq
import httpx
import pytest

from app.embedded.ports import free_port
from app.embedded.servers import EmbeddedServers
from loadtests.sink.process import SinkProcess
from storage.postgres.heartbeats import LAPSE
from storage.queue.broker import HOUSEKEEPING_QUEUE, make_broker
from tests.clock_shift import COMPILER, NO_COMPILER, ShiftedClock
from tests.crash.test_doctor import found
from tests.processes import NO_TLS, START_SECONDS, System, TocsinProcess, runs_of, wait_until
from tests.servers import urls_of

pytestmark = pytest.mark.skipif(COMPILER is None, reason=NO_COMPILER)

SECOND = timedelta(seconds=1)
ATTEMPTS = "SELECT attempts.* FROM attempts JOIN runs ON runs.id = run_id WHERE job_id = $1"


class Wrong:
    """A process with a clock of its own, and where it tells of itself."""

    def __init__(self, system: System, name: str, folder: Path, shift: timedelta) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.clock = ShiftedClock(folder / f"{name}.shift", shift)
        setting = "TOCSIN_PORT" if name == "api" else "TOCSIN_METRICS_PORT"
        environment = system.environment | {setting: str(port)} | self.clock.environment
        self.process = TocsinProcess(name, environment, folder / f"{name}.log").start()

    def becomes(self, status: int, *, saying: str = "") -> None:
        """Wait until it tells so of its health."""
        path = "/health/ready" if self.process.name == "api" else "/ready"

        def does() -> bool:
            try:
                answer = httpx.get(self.url + path, timeout=5, verify=NO_TLS)
            except httpx.TransportError:
                return False
            return answer.status_code == status and saying in answer.text

        wait_until(does, seconds=START_SECONDS, what=f"{self.process.name}: {status} {saying}")

    def is_wrong(self, said: str) -> None:
        """Wait until it tells so of its clock."""
        self.becomes(503, saying=said)


StartWrong = Callable[[str, timedelta], Wrong]


@pytest.fixture(scope="module")
def few(
    mortal_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A system without dispatchers; each test starts what it needs."""
    with System(urls_of(mortal_servers), tmp_path_factory.mktemp("few")) as system:
        system.migrate()
        system.start("api", "worker")
        yield system


@pytest.fixture
def start_wrong(few: System, tmp_path: Path) -> Iterator[StartWrong]:
    """Starts a process with a wrong clock; it ends with the test."""
    started: list[Wrong] = []

    def start(name: str, shift: timedelta) -> Wrong:
        started.append(Wrong(few, name, tmp_path, shift))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()


@pytest.fixture
def client(few: System, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    with few.client(request.node.name[:60]) as calling:
        yield calling


def make_job(client: httpx.Client, url: str, **body: Any) -> str:
    target = {"type": "http", "url": url}
    answer = client.post("/jobs", json={"name": "a job", "target": target, **body})
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def rows(system: System, statement: str, *arguments: object) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(system.urls.primary)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    return asyncio.run(ask())


def succeeded(client: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    return [run for run in runs_of(client, job_id) if run["state"] == "succeeded"]


@pytest.mark.promise("wrong clocks")
def test_a_dispatcher_ahead_leaves_all_to_others_until_its_clock_is_right(
    few: System, client: httpx.Client, start_wrong: StartWrong, sink: SinkProcess
) -> None:
    dispatcher = start_wrong("dispatcher", 120 * SECOND)
    dispatcher.is_wrong("clock: is 120.0 s ahead of the primary's; 1 s are allowed")
    wait_until(lambda: "clock.wrong" in dispatcher.process.text)
    assert 119 < offset_of(dispatcher) < 121
    few.start("dispatcher")
    to_come = [make_job(client, sink.url, schedule={"after": f"PT{n}S"}) for n in (1, 3, 5)]
    steady = make_job(
        client,
        sink.url,
        schedule={"every": "PT1S"},
        catchup={"window": "PT1H", "coalesce": "all", "limit": 100},
    )
    for job in to_come:
        (run,) = wait_until(lambda job=job: succeeded(client, job), what="a one-shot rings")
        assert run["started_at"] >= run["due_at"]
    wait_until(lambda: len(succeeded(client, steady)) >= 5, what="five of each second")
    without_gap(few, steady)
    assert rows(few, "SELECT * FROM ledger WHERE job_id = $1", steady) == []
    pid = dispatcher.process.pid
    wrong = {subject: said for subject, said in found(few).items() if f" {pid} on " in subject}
    ((level, said),) = wrong.values()
    assert level == "fail"
    assert 119_000 < int(said.split()[0]) < 121_000
    few.newest("dispatcher").kill()
    dispatcher.clock.step(timedelta())
    dispatcher.becomes(200)
    last = make_job(client, sink.url, schedule={"after": "PT1S"})
    wait_until(lambda: succeeded(client, last), what="it claims again")
    dispatcher.clock.step(-60 * SECOND)
    dispatcher.is_wrong("60.0 s behind")
    client.delete(f"/jobs/{steady}")


def offset_of(process: Wrong) -> float:
    lines = httpx.get(f"{process.url}/metrics").text.splitlines()
    (line,) = (line for line in lines if line.startswith("tocsin_clock_offset_seconds "))
    return float(line.split()[1])


def without_gap(system: System, job_id: str) -> None:
    instants = [
        row["scheduled_for"]
        for row in rows(
            system, "SELECT scheduled_for FROM runs WHERE job_id = $1 ORDER BY 1", job_id
        )
    ]
    assert instants == [instants[0] + n * SECOND for n in range(len(instants))]


@pytest.mark.promise("wrong clocks")
def test_with_processes_ten_seconds_ahead_nothing_rings_twice_or_early(
    few: System, client: httpx.Client, start_wrong: StartWrong, sink: SinkProcess
) -> None:
    ahead = [start_wrong(name, 10 * SECOND) for name in ("worker", "dispatcher")]
    few.complete("dispatcher", "worker")
    for one in ahead:
        one.is_wrong("10.0 s ahead")
    due_at = datetime.now(UTC) + 6 * SECOND
    slow = f"{sink.url}/slow/2000"
    jobs = [
        make_job(client, slow, schedule={"at": (due_at + n * SECOND / 4).isoformat()})
        for n in range(8)
    ]
    jobs += [
        make_job(client, slow, schedule={"after": f"PT{n}S"}, overlap="allow_all") for n in (1, 4)
    ]
    for job in jobs:
        (run,) = wait_until(
            lambda job=job: succeeded(client, job), seconds=40, what="it rings once"
        )
        assert run["attempt_count"] == 1
        (arrived_at,) = arrivals(sink, run)
        assert arrived_at >= datetime.fromisoformat(run["due_at"])


def arrivals(sink: SinkProcess, run: dict[str, Any]) -> list[datetime]:
    """When a run's target was rung, by a clock that is right."""
    return [
        datetime.fromtimestamp(one.arrived_ns / 1e9, UTC)
        for one in sink.report().arrivals
        if one.webhook_id == run["id"]
    ]


@pytest.mark.promise("worker dies with a wrong clock")
def test_a_worker_whose_clock_was_ahead_when_it_died_is_rescued_within_the_lapse(
    few: System, client: httpx.Client, start_wrong: StartWrong, sink: SinkProcess
) -> None:
    few.newest("worker").kill()
    worker = start_wrong("worker", timedelta())
    worker.becomes(200)
    few.complete("dispatcher")
    job = make_job(client, f"{sink.url}/hang", schedule={"after": "PT0S"})
    wait_until(lambda: [r for r in runs_of(client, job) if r["state"] == "running"], what="rings")
    worker.clock.step(120 * SECOND)
    worker.is_wrong("120.0 s ahead")
    worker.process.kill()
    died = datetime.now(UTC)
    wait_until(lambda: [r for r in runs_of(client, job) if r["state"] == "retrying"], what="freed")
    (attempt,) = rows(few, ATTEMPTS, job)
    assert attempt["outcome"] == "abandoned"
    assert died < attempt["finished_at"] < died + 2 * LAPSE
    assert client.delete(f"/jobs/{job}").status_code == 204
    few.complete("worker")


def test_what_waits_in_a_worker_whose_clock_is_set_rings_elsewhere_on_time(
    few: System, client: httpx.Client, start_wrong: StartWrong, sink: SinkProcess
) -> None:
    few.complete("dispatcher")
    for one in few.every("worker"):
        one.kill()
    worker = start_wrong("worker", timedelta())
    worker.becomes(200)
    job = make_job(client, sink.url, schedule={"after": "PT2S"})
    wait_until(lambda: runs_of(client, job)[:1] and state_of(client, job) != "scheduled")
    worker.clock.step(30 * SECOND)
    few.complete("worker")
    (run,) = wait_until(lambda: succeeded(client, job), what="it rings")
    (arrived_at,) = arrivals(sink, run)
    assert arrived_at >= datetime.fromisoformat(run["due_at"])
    worker.clock.step(timedelta())
    worker.becomes(200)


def state_of(client: httpx.Client, job_id: str) -> object:
    (run,) = runs_of(client, job_id)
    return run["state"]


def test_housekeeping_ten_days_ahead_drops_nothing(few: System, start_wrong: StartWrong) -> None:
    for one in few.every("worker"):
        one.kill()
    there = partitions(few)
    broker = make_broker(few.urls.redis)
    worker = start_wrong("worker", timedelta(days=10))
    worker.is_wrong("864000.0 s ahead")
    broker.enqueue(
        dramatiq.Message(
            queue_name=HOUSEKEEPING_QUEUE,
            actor_name="keep_partitions",
            args=(),
            kwargs={},
            options={},
        )
    )
    few.start("worker")
    wait_until(lambda: not broker.client.hlen(f"dramatiq:{HOUSEKEEPING_QUEUE}.msgs"), what="kept")
    broker.close()
    assert partitions(few) == there


def partitions(system: System) -> set[str]:
    found = rows(
        system, "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r'"
    )
    return {row["relname"] for row in found}


@pytest.mark.promise("wrong clocks")
def test_an_api_ahead_takes_no_writes(
    client: httpx.Client, start_wrong: StartWrong, sink: SinkProcess
) -> None:
    api = start_wrong("api", 120 * SECOND)
    api.is_wrong("120.0 s ahead")
    job = make_job(client, sink.url, schedule={"after": "PT1H"})
    headers = {"authorization": client.headers["authorization"]}
    with httpx.Client(base_url=api.url, headers=headers) as wrong:
        assert wrong.get(f"/jobs/{job}").status_code == 200
        refused = wrong.post(f"/jobs/{job}/pause")
        assert refused.status_code == 503
        assert "clock" in refused.json()["detail"]
        api.clock.step(timedelta())
        api.becomes(200)
        assert wrong.post(f"/jobs/{job}/pause").status_code == 200
