"""Steady: fires at random instants between the seconds, 200 a second, and then 2,000."""

import random
import time
from datetime import UTC, datetime, timedelta

import msgspec

from loadtests.compare.figures import FLASK, GRAPHILE, Figure, Measured, cpu_figure, spread_figures
from loadtests.measures.cpu import cpu_by_role, per_thousand, used_between
from loadtests.measures.system import System
from loadtests.scenarios.one_shots import Fired, create, fired, seconds_to_create, sleep_until
from loadtests.sink.process import SinkProcess

MARGIN = timedelta(seconds=10)
PATIENCE_SECONDS = 60.0
RECORD_SECONDS = 2.0
SEED = 20_261_124
OTHERS_P50 = {FLASK: 2.5, GRAPHILE: 53.0}
OTHERS_P99 = {FLASK: 14.0, GRAPHILE: 104.0}


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How many fires a second, how long, and how late they may be."""

    scenario: str
    per_second: int
    seconds: int
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def jobs(self) -> int:
        """One for each fire."""
        return self.per_second * self.seconds


USUAL = Pace(scenario="steady", per_second=200, seconds=30, p50_ms=2.0, p99_ms=8.0)
HIGH = Pace(scenario="steady 2,000/s", per_second=2_000, seconds=10, p99_ms=25.0)


def measure(system: System, sink: SinkProcess, pace: Pace = USUAL) -> Measured:
    """Create the jobs, let them ring, and compare."""
    sink.reset()
    ahead = timedelta(seconds=1.5 * seconds_to_create(system, pace.jobs)) + MARGIN
    start = datetime.now(UTC) + ahead
    due = random_instants(start, pace)
    create(system, sink, due)
    sleep_until(start)
    before = cpu_by_role(system.pid, sink.pid)
    sleep_until(max(due))
    sink.wait_for(pace.jobs, seconds=PATIENCE_SECONDS)
    time.sleep(RECORD_SECONDS)
    used = used_between(before, cpu_by_role(system.pid, sink.pid))
    result = fired(sink.report(), due)
    cpu = per_thousand(used, pace.jobs)
    return Measured(
        figures=figures(pace, result, cpu),
        problems=result.problems(pace.scenario),
        cpu={pace.scenario: cpu},
        details={"fired": result},
    )


def random_instants(start: datetime, pace: Pace) -> list[datetime]:
    """The same random instants in every run, in no order, after `start`."""
    chance = random.Random(SEED)
    return [start + timedelta(seconds=chance.uniform(0, pace.seconds)) for _ in range(pace.jobs)]


def figures(pace: Pace, result: Fired, cpu: dict[str, float]) -> list[Figure]:
    """The scenario's lines."""
    name = pace.scenario
    others = (OTHERS_P50, OTHERS_P99) if pace == USUAL else ({}, {})
    p50, p99, most = spread_figures(name, "lateness at the sink", result.lateness)
    return [
        msgspec.structs.replace(p50, bar=pace.p50_ms, others=others[0]),
        msgspec.structs.replace(p99, bar=pace.p99_ms, others=others[1]),
        most,
        Figure(name, "missed", result.lost, "fires", bar=0.0),
        Figure(name, "doubled", result.doubled, "fires", bar=0.0),
        cpu_figure(name, cpu),
    ]
