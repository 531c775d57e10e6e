"""One seed from beginning to end: start, disturb, heal, settle, judge."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
from msgspec import Struct

from app.embedded.ports import Ports
from app.embedded.servers import EmbeddedServers
from domain.access.keys import service_of
from tests.chaos.bodies import Bodies
from tests.chaos.checks import statistics, violations_of
from tests.chaos.collect import collect, ledger_complaints, stats_of
from tests.chaos.crowd import Crowd, quiet_port
from tests.chaos.history import History, Violation
from tests.chaos.receiver import Receiver
from tests.chaos.scene import DATA_BYTES, METRICS_BYTES, WAL_MEGABYTES, Scene, disk
from tests.chaos.service import Service
from tests.chaos.settling import settle
from tests.chaos.trouble import OF_PROCESSES, OF_SERVERS, Make, Trouble
from tests.chaos.watch import Watch, errors_in
from tests.chaos.workload import Workload
from tests.processes import System
from tests.servers import urls_of

SERVICES = 2
CALM_SECONDS = 8.0
"""Before the first fault: nothing may be late or missed then."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to happen.

    Attributes:
        seconds: For so long faults are made.
        pauses: Seconds between faults of processes, and of servers, on average.
        certain: Faults to begin with.
    """

    seed: int
    seconds: float
    pauses: tuple[float, float] = (4.0, 15.0)
    certain: tuple[Make, ...] = ()


class Judged(Struct, frozen=True, kw_only=True):
    """What came of it."""

    history: History
    violations: list[Violation]
    cores: float


def run_seed(plan: Plan, folder: Path) -> Judged:
    """Play a seed, and judge it. Logs stay in the folder."""
    with _stage(folder) as (scene, receiver), ExitStack() as stack:
        history = History(seed=plan.seed, begun_at=datetime.now(UTC), judged_to=datetime.now(UTC))
        services = _services(scene, plan.seed)
        for service in services:
            stack.callback(service.close)
        loads = [
            Workload(
                service,
                Bodies(_chance(plan, f"body {number}"), receiver, f"s{number}"),
                _chance(plan, f"load {number}"),
            )
            for number, service in enumerate(services)
        ]
        cores = _play_and_settle(plan, scene, loads, services, history)
        collect(history, scene, services)
        history.complaints += ledger_complaints(history, services)
        _count(history, scene, services)
        history.deliveries = receiver.deliveries()
        scene.crowd.stop()
        logs = [member.log for member in scene.crowd.members]
        history.complaints += errors_in(logs, history.faults)
    return Judged(history=history, violations=violations_of(history), cores=cores)


def _play_and_settle(
    plan: Plan,
    scene: Scene,
    loads: Sequence[Workload],
    services: Sequence[Service],
    history: History,
) -> float:
    """Do what is planned, and say how many cores it took."""
    watch = Watch(scene)
    begun, spent = time.monotonic(), cpu_seconds()
    _play(plan, scene, loads, watch, history)
    settle(scene, services, loads, history)
    watch.stop()
    history.complaints += watch.complaints
    history.pressures = watch.pressures
    return (cpu_seconds() - spent) / (time.monotonic() - begun)


@contextmanager
def _stage(folder: Path) -> Iterator[tuple[Scene, Receiver]]:
    with ExitStack() as stack:
        data = stack.enter_context(disk(folder / "data", DATA_BYTES))
        metrics = stack.enter_context(disk(folder / "metrics", METRICS_BYTES))
        servers = stack.enter_context(EmbeddedServers(data.folder, ports=_ports()))
        for server in (servers.replica, servers.primary):
            with (server.directory / "postgresql.auto.conf").open("a") as file:
                file.write(f"max_wal_size = '{WAL_MEGABYTES}MB'\n")
            server.restart()
        receiver = stack.enter_context(Receiver())
        system = System(urls_of(servers), folder)
        system.environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics.folder)
        crowd = Crowd(system, folder)
        stack.callback(crowd.stop)
        crowd.start()
        yield Scene(crowd, servers, data, metrics), receiver


def _ports() -> Ports:
    return Ports(primary=quiet_port(), replica=quiet_port(), valkey=quiet_port())


def _services(scene: Scene, seed: int) -> list[Service]:
    made = []
    for number in range(SERVICES):
        key = asyncio.run(scene.crowd.system._new_key(f"chaos-{seed}-{number}"))
        service = Service(key, scene.crowd.apis, random.Random(f"{seed} api {number}"))
        service.id = str(service_of(key))
        made.append(service)
    return made


def _play(
    plan: Plan, scene: Scene, loads: Sequence[Workload], watch: Watch, history: History
) -> None:
    for load in loads:
        load.prepare()
    watch.start()
    for load in loads:
        load.start()
    scene.last(CALM_SECONDS)
    troubles = [
        Trouble(scene, kinds, _chance(plan, name), pause=pause, certain=_certain(plan, kinds))
        for name, kinds, pause in zip(
            ("processes", "servers"), (OF_PROCESSES, OF_SERVERS), plan.pauses, strict=True
        )
    ]
    for trouble in troubles:
        trouble.start()
    scene.last(plan.seconds)
    scene.over.set()
    for trouble in troubles:
        trouble.join()
        history.faults += trouble.faults
        history.complaints += trouble.complaints
    history.faults.sort(key=lambda fault: fault.begun_at)
    for load in loads:
        load.stop()


def _certain(plan: Plan, kinds: Sequence[tuple[str, Make, int]]) -> list[Make]:
    known = [make for _, make, _ in kinds]
    return [make for make in plan.certain if make in known]


def _count(history: History, scene: Scene, services: Sequence[Service]) -> None:
    """Statistics are there within a minute or so; look until they are, or time is up."""
    deadline = time.monotonic() + (0 if history.too_busy else 90)
    while True:
        history.service_stats = {
            service.id: stats_of(service, history.begun_at) for service in services
        }
        if not list(statistics.check(history)) or time.monotonic() > deadline:
            return
        threading.Event().wait(2)


def _chance(plan: Plan, name: str) -> random.Random:
    return random.Random(f"{plan.seed} {name}")


def cpu_seconds() -> float:
    """What this process and all below it have spent."""
    spent = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
        if process is me or process.name() == "postgres":
            spent += times.children_user + times.children_system
    return spent
