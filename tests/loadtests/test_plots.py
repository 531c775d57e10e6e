"""Plots show what is in the JSON."""

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="installed by make bench and make loadtest")

from loadtests.measures.plots import (
    draw,
    growth_curves,
    knee_curves,
    lateness_curves,
    memory_curves,
)

BUDGET = {"p95_ms": 100.0, "p99_ms": 250.0}
RAMP = {
    "shape": "ramp",
    "phases": [
        {"phase": {"budget": None}, "per_second": 9.0, "p50_ms": 9, "p95_ms": 9, "p99_ms": 9},
        {"phase": {"budget": BUDGET}, "per_second": 100, "p50_ms": 5, "p95_ms": 20, "p99_ms": 40},
        {"phase": {"budget": BUDGET}, "per_second": 125, "p50_ms": 0, "p95_ms": 90, "p99_ms": 400},
    ],
}
SAMPLES = [
    {"minutes": 0.0, "megabytes": {"api": 80.0, "worker": 50.0}},
    {"minutes": 0.5, "megabytes": {"api": 90.0}},
]
SIZES = [
    {"jobs": 10, "p50_ms": 1.0, "p99_ms": 4.0, "cpu": 0.5, "megabytes": {"api": 50.0}},
    {"jobs": 1_000, "p50_ms": 1.0, "p99_ms": 6.0, "cpu": 0.5, "megabytes": {"api": 55.0}},
]
BENCH = {
    "scenarios": {
        "burst": {"details": {"fired": {"quantiles_ms": [-0.5, 1.0, 20.0]}}},
        "run_now": {"details": {"quantiles_ms": [2.0, 4.0]}},
        "api": {"details": {}},
        "growth": {"details": {"sizes": SIZES}},
    }
}


def test_lateness_of_every_scenario_that_has_it() -> None:
    burst, run_now = lateness_curves(BENCH)

    assert (burst.name, burst.x, burst.y) == ("burst", [0.1, 1.0, 20.0], [0.0, 50.0, 100.0])
    assert run_now.name == "run_now"


def test_the_judged_stages_of_a_ramp() -> None:
    p50, _, p99 = knee_curves(RAMP)

    assert (p99.x, p99.y) == ([100, 125], [40, 400])
    assert p50.y == [5, 0.1]
    assert knee_curves(RAMP | {"shape": "steady"}) == []


def test_growth_beside_the_fewest() -> None:
    curves = {curve.name: curve.y for curve in growth_curves(BENCH)}

    assert curves["lateness, p99"] == [1.0, 1.5]
    assert curves["memory, api"] == [1.0, 1.1]


def test_memory_of_each_part_in_the_course_of_a_load() -> None:
    api, worker = memory_curves({"memory": SAMPLES})

    assert (api.name, api.x, api.y) == ("api", [0.0, 0.5], [80.0, 90.0])
    assert worker.y == [50.0, 0.0]


@pytest.mark.parametrize(
    ("results", "names"),
    [
        (BENCH, ["r-lateness.svg", "r-growth.svg"]),
        (RAMP | {"memory": SAMPLES}, ["r-knee.svg", "r-memory.svg"]),
        ({}, []),
    ],
)
def test_plots_lie_beside_the_json(
    tmp_path: Path, results: dict[str, object], names: list[str]
) -> None:
    (tmp_path / "r.json").write_text(json.dumps(results))

    drawn = draw(tmp_path / "r.json")

    assert [path.name for path in drawn] == names
    assert all(path.parent == tmp_path and "<svg" in path.read_text() for path in drawn)
