"""Steady: 200 fires a second for half a minute, at random instants between the seconds."""

import random
import time
from datetime import UTC, datetime, timedelta

import msgspec

from loadtests.cpu import cpu_by_role, per_thousand, used_between
from loadtests.figures import FLASK, Figure, Measured, cpu_figure, spread_figures
from loadtests.one_shots import Fired, create, fired, seconds_to_create, sleep_until
from loadtests.sink_process import SinkProcess
from loadtests.system import System

PER_SECOND = 200
SECONDS = 30
JOBS = PER_SECOND * SECONDS
MARGIN = timedelta(seconds=10)
PATIENCE_SECONDS = 60.0
RECORD_SECONDS = 2.0
SEED = 20_261_124
BAR_MS = 20.0


def measure(system: System, sink: SinkProcess) -> Measured:
    """Create the jobs, let them ring, and compare."""
    sink.reset()
    ahead = timedelta(seconds=1.5 * seconds_to_create(system, JOBS)) + MARGIN
    start = datetime.now(UTC) + ahead
    due = random_instants(start)
    create(system, sink, due)
    sleep_until(start)
    before = cpu_by_role(system.pid, sink.pid)
    sleep_until(max(due))
    sink.wait_for(JOBS, seconds=PATIENCE_SECONDS)
    time.sleep(RECORD_SECONDS)
    used = used_between(before, cpu_by_role(system.pid, sink.pid))
    result = fired(sink.report(), due)
    cpu = per_thousand(used, JOBS)
    return Measured(
        figures=figures(result, cpu),
        problems=result.problems("steady"),
        cpu={"steady": cpu},
        details={"fired": result},
    )


def random_instants(start: datetime) -> list[datetime]:
    """The same random instants in every run, in no order, after `start`."""
    chance = random.Random(SEED)
    return [start + timedelta(seconds=chance.uniform(0, SECONDS)) for _ in range(JOBS)]


def figures(result: Fired, cpu: dict[str, float]) -> list[Figure]:
    """The scenario's lines."""
    p50, p99, most = spread_figures("steady", "lateness at the sink", result.lateness)
    return [
        msgspec.structs.replace(p50, others={FLASK: 2.5}),
        msgspec.structs.replace(p99, bar=BAR_MS, others={FLASK: 14.0}),
        most,
        Figure("steady", "missed", result.lost, "fires", bar=0.0),
        Figure("steady", "doubled", result.doubled, "fires", bar=0.0),
        cpu_figure("steady", cpu),
    ]
