"""Percentiles, bars, and the comparison of arrivals with instants."""

import subprocess
import sys
from datetime import UTC, datetime

import psutil
import pytest

from loadtests.compare.bare import Bare
from loadtests.compare.figures import Figure, companion, rounded
from loadtests.measures.cpu import role_of
from loadtests.measures.latency import quantiles, spread_of
from loadtests.measures.memory import own_megabytes
from loadtests.scenarios.growth import Size, Turn, size_of
from loadtests.scenarios.growth import figures as growth_figures
from loadtests.scenarios.one_shots import fired
from loadtests.sink.arrivals import Arrival, Arrivals

DUE = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)


def arrivals(*seen: tuple[str, int, float]) -> Arrivals:
    """Arrivals by webhook-id, job number and milliseconds after they were due."""
    record = Arrivals()
    for webhook_id, n, late_ms in seen:
        at = int(DUE.timestamp() * 1e9 + late_ms * 1e6)
        record.record(Arrival(webhook_id, "1", at, f"/ok?n={n}", 200))
    return record


def test_percentiles() -> None:
    spread = spread_of(range(101))

    assert (spread.least, spread.p50, spread.p99, spread.most) == (0, 50, 99, 100)


def test_quantiles_go_from_the_least_to_the_most() -> None:
    assert quantiles([3.0, 1.0, 2.0], parts=4) == [1.0, 1.0, 2.0, 3.0, 3.0]
    assert quantiles([], parts=2) == [0.0, 0.0, 0.0]


def test_no_sample_spreads_nowhere() -> None:
    assert spread_of([]).most == 0


@pytest.mark.parametrize(("value", "better", "passes"), [(3, "higher", True), (3, "lower", False)])
def test_bars(value: float, better: str, passes: bool) -> None:
    figure = Figure("burst", "fires", value, "/s", 2.0, "higher" if better == "higher" else "lower")

    assert figure.passes is passes


@pytest.mark.parametrize(
    ("value", "text"), [(12_345.6, "12,346"), (4.407, "4.41"), (0.01234, "0.0123"), (0, "0")]
)
def test_rounds_for_reading(value: float, text: str) -> None:
    assert rounded(value) == text


def test_all_rang_once() -> None:
    result = fired(arrivals(("a", 0, 1.0), ("b", 1, 3.0)).report(), [DUE, DUE])

    assert result.problems("burst") == []
    assert (round(result.lateness.least), round(result.lateness.most)) == (1, 3)


def test_lost_doubled_and_early_fires_are_problems() -> None:
    seen = arrivals(("a", 0, 1.0), ("other run", 0, 1.0), ("b", 1, -5.0), ("b", 1, 1.0))

    result = fired(seen.report(), [DUE] * 3)

    assert (result.lost, result.doubled, result.early) == (1, 2, 1)
    assert len(result.problems("burst")) == 3


@pytest.mark.parametrize(
    ("arguments", "role"),
    [
        (["/usr/bin/python", "-m", "app.cli", "worker"], "worker"),
        (["/opt/bin/postgres", "-D", "/data/servers/replica"], "replica"),
        (["postgres: walsender"], "primary"),
        (["/opt/valkey-server", "*:0"], "valkey"),
        ([], "api"),
    ],
)
def test_role_of_a_process(arguments: list[str], role: str) -> None:
    inherited = "primary" if arguments[:1] == ["postgres: walsender"] else "api"

    assert role_of(arguments, inherited) == role


BARE = Bare(per_second=10_000, cpu=0.1, lone_ms=0.5, start_seconds=2.0, megabytes=50.0)


@pytest.mark.parametrize(
    ("figure", "anywhere"),
    [
        (Figure("mix", "requests", 5_000, "/s"), "0.500 times hello"),
        (Figure("mix", "CPU", 0.3, "s/1k"), "3.00 times hello"),
        (Figure("mix", "latency", 7.0, "ms"), "0.250 s/1k"),
        (Figure("run now", "latency", 7.0, "ms"), "14.0 times hello"),
        (Figure("start", "api", 3.0, "s"), "1.50 times hello"),
        (Figure("growth", "memory, api", 100, "MB"), "2.00 times hello"),
        (Figure("mix", "errors", 0, "requests"), ""),
    ],
)
def test_what_a_figure_is_on_any_machine(figure: Figure, anywhere: str) -> None:
    cpu = {"mix": {"api": 0.2, "primary": 0.05, "generator": 9.0}}

    assert companion(figure, cpu, BARE) == anywhere


def size(jobs: int, *p99_ms: float, api: float = 50.0) -> Size:
    turns = [Turn(p50_ms=1.0, p99_ms=ms, cpu=0.5) for ms in p99_ms or (5.0,)]
    return size_of(jobs, turns, {"api": api})


def test_growth_compares_with_the_fewest() -> None:
    found = {figure.name: figure for figure in growth_figures([size(10), size(99, api=65.0)])}

    assert found["CPU to that of 10"].passes
    assert not found["memory to that of 10, api"].passes
    assert len([one for one in found.values() if one.bar]) == 4


def test_one_stalled_turn_is_shown_and_does_not_decide() -> None:
    stalled = size(99, 5.0, 18.0, 4.0)
    found = {figure.name: figure for figure in growth_figures([size(10), stalled])}

    assert found["p99 to that of 10"].value == 1.0
    assert (found["p99 of the best turn"].value, found["p99 of the worst turn"].value) == (4, 18)


@pytest.mark.usefixtures("starts_processes")
def test_memory_of_a_process_that_is_gone() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(gone.pid)
    gone.wait()

    assert own_megabytes(process) == 0.0
    assert own_megabytes(psutil.Process()) > 1.0
