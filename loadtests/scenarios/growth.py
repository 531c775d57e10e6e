"""Growth: the same fires with few jobs stored and with very many, each on a Tocsin of its own."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import median

import asyncpg
import msgspec

from loadtests.compare.figures import OUR_CPU, Figure, Measured
from loadtests.measures.memory import memory_by_role
from loadtests.measures.system import System
from loadtests.plans.populate import midnight, populate
from loadtests.scenarios.steady import Pace
from loadtests.scenarios.steady import measure as measure_steady
from loadtests.sink.process import SinkProcess

SIZES = (10_000, 1_000_000)
SERVICES = 1_000
MADE_UP = 1_000_000
"""So many jobs, and runs, are made up; what is beyond are copies of the jobs."""
MOST = 1.2
CHECKPOINT_SECONDS = 600.0
TURNS = 5
"""One stall of the disk of 200 ms is the p99 of a turn; the median of the turns is steadier."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn of fires found."""

    p50_ms: float
    p99_ms: float
    cpu: float
    """Seconds for 1,000 fires."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured with so many jobs stored: medians of the turns, and each of them."""

    jobs: int
    p50_ms: float
    p99_ms: float
    cpu: float
    turns: list[Turn]
    megabytes: dict[str, float]
    """Memory that the largest process of each part allocated."""


def measure(sink: SinkProcess, sizes: Sequence[int] = SIZES) -> Measured:
    """Start, fill and measure one system after the other.

    Args:
        sizes: Jobs; beyond a million, millions.
    """
    measured = Measured(figures=[], problems=[])
    found = [_measure_size(sink, jobs, measured) for jobs in sizes]
    measured.figures += list(figures(found))
    measured.details["sizes"] = found
    return measured


def _measure_size(sink: SinkProcess, jobs: int, measured: Measured) -> Size:
    with System() as system:
        asyncio.run(_fill(system, jobs))
        turns = [_measure_turn(system, sink, jobs, measured) for _ in range(TURNS)]
        return size_of(jobs, turns, memory_by_role(system.pid))


async def _fill(system: System, jobs: int) -> None:
    url = system.environment_of("dispatcher")["TOCSIN_PRIMARY_URL"]
    await populate(
        url,
        jobs=min(jobs, MADE_UP),
        copies=max(jobs // MADE_UP, 1),
        runs=min(jobs, MADE_UP),
        services=SERVICES,
        today=midnight(datetime.now(UTC)),
    )
    # Else the disk is still busy with what was loaded while fires are measured.
    driver = await asyncpg.connect(url, user="postgres", password=system.superuser_password)
    await driver.execute("CHECKPOINT", timeout=CHECKPOINT_SECONDS)
    await driver.close()


def _measure_turn(system: System, sink: SinkProcess, jobs: int, measured: Measured) -> Turn:
    pace = Pace(scenario=f"growth {jobs:,}", per_second=200, seconds=20)
    part = measure_steady(system, sink, pace)
    measured.problems += part.problems
    measured.cpu |= part.cpu
    value = {figure.name: figure.value for figure in part.figures}
    return Turn(
        p50_ms=value["lateness at the sink, p50"],
        p99_ms=value["lateness at the sink, p99"],
        cpu=value[OUR_CPU],
    )


def size_of(jobs: int, turns: list[Turn], megabytes: dict[str, float]) -> Size:
    """Sum up the turns of one system."""
    return Size(
        jobs=jobs,
        p50_ms=median(turn.p50_ms for turn in turns),
        p99_ms=median(turn.p99_ms for turn in turns),
        cpu=median(turn.cpu for turn in turns),
        turns=turns,
        megabytes=megabytes,
    )


def figures(sizes: Sequence[Size]) -> Iterator[Figure]:
    """What each size has, and how it compares with the first."""
    first = sizes[0]
    for size in sizes:
        scenario = f"growth {size.jobs:,}"
        yield Figure(scenario, "lateness at the sink, p50", size.p50_ms, "ms")
        yield Figure(scenario, "lateness at the sink, p99", size.p99_ms, "ms")
        p99s = [turn.p99_ms for turn in size.turns]
        yield Figure(scenario, "p99 of the best turn", min(p99s), "ms")
        yield Figure(scenario, "p99 of the worst turn", max(p99s), "ms")
        yield Figure(scenario, OUR_CPU, size.cpu, "s/1k")
        for role, megabytes in size.megabytes.items():
            yield Figure(scenario, f"memory, {role}", megabytes, "MB")
        if size is not first:
            yield from _compared(scenario, size, first)


def _compared(scenario: str, size: Size, first: Size) -> Iterator[Figure]:
    beside = f"to that of {first.jobs:,}"
    yield Figure(scenario, f"p50 {beside}", _ratio(size.p50_ms, first.p50_ms), "times", MOST)
    yield Figure(scenario, f"p99 {beside}", _ratio(size.p99_ms, first.p99_ms), "times", MOST)
    yield Figure(scenario, f"CPU {beside}", _ratio(size.cpu, first.cpu), "times", MOST)
    for role, megabytes in size.megabytes.items():
        if role in first.megabytes:
            ratio = _ratio(megabytes, first.megabytes[role])
            yield Figure(scenario, f"memory {beside}, {role}", ratio, "times", MOST)


def _ratio(value: float, first: float) -> float:
    return value / first if first else 0.0
