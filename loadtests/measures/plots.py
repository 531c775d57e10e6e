"""Plots of what was measured, as SVG beside its JSON: lateness, the knee, growth, memory.

python -m loadtests.measures.plots loadtests/results/latest.json
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
from matplotlib.figure import Figure

LEAST_MS = 0.1
"""Further left on a logarithmic axis; timers are no better."""
INCHES = (8.0, 4.5)


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Points to draw as a line, with its name."""

    name: str
    x: list[float]
    y: list[float]


def lateness_curves(results: dict[str, Any]) -> list[Curve]:
    """The share of fires that were no later than that, of each scenario that kept quantiles."""
    curves = []
    for name, measured in results.get("scenarios", {}).items():
        details = measured["details"]
        values = details.get("quantiles_ms") or details.get("fired", {}).get("quantiles_ms")
        if values:
            shares = [100 * n / (len(values) - 1) for n in range(len(values))]
            curves.append(Curve(name=name, x=[max(ms, LEAST_MS) for ms in values], y=shares))
    return curves


def knee_curves(results: dict[str, Any]) -> list[Curve]:
    """Percentiles by the rate that was reached, of the judged phases of a ramp."""
    if results.get("shape") != "ramp":
        return []
    stages = [one for one in results["phases"] if one["phase"]["budget"]]
    rates = [one["per_second"] for one in stages]
    return [
        Curve(name=name, x=rates, y=[max(one[f"{name}_ms"], LEAST_MS) for one in stages])
        for name in ("p50", "p95", "p99")
    ]


def growth_curves(results: dict[str, Any]) -> list[Curve]:
    """Lateness, CPU and memory by the number of stored jobs, beside those of the fewest."""
    sizes = results.get("scenarios", {}).get("growth", {}).get("details", {}).get("sizes", [])
    if not sizes:
        return []
    jobs = [float(size["jobs"]) for size in sizes]
    values = {
        "lateness, p50": [size["p50_ms"] for size in sizes],
        "lateness, p99": [size["p99_ms"] for size in sizes],
        "CPU": [size["cpu"] for size in sizes],
    }
    for role in sizes[0]["megabytes"]:
        values[f"memory, {role}"] = [size["megabytes"].get(role, 0.0) for size in sizes]
    return [
        Curve(name=name, x=jobs, y=[value / own[0] for value in own])
        for name, own in values.items()
        if own[0]
    ]


def memory_curves(results: dict[str, Any]) -> list[Curve]:
    """Memory of each part in the course of a load."""
    samples = results.get("memory", [])
    minutes = [one["minutes"] for one in samples]
    return [
        Curve(name=role, x=minutes, y=[one["megabytes"].get(role, 0.0) for one in samples])
        for role in (samples[0]["megabytes"] if samples else ())
    ]


def draw(path: Path) -> list[Path]:
    """Draw all that a JSON of results holds; where the plots are."""
    results = msgspec.json.decode(path.read_bytes())
    return [
        _saved(figure, path.with_name(f"{path.stem}-{name}.svg"))
        for name, figure in _figures(results)
    ]


def _figures(results: dict[str, Any]) -> Iterator[tuple[str, Figure]]:
    kinds: dict[str, tuple[Callable[[dict[str, Any]], list[Curve]], dict[str, str]]] = {
        "lateness": (
            lateness_curves,
            {"xlabel": "milliseconds late", "ylabel": "% of fires", "xscale": "log"},
        ),
        "knee": (
            knee_curves,
            {"xlabel": "requests a second", "ylabel": "milliseconds", "yscale": "log"},
        ),
        "growth": (
            growth_curves,
            {"xlabel": "jobs stored", "ylabel": "beside the fewest", "xscale": "log"},
        ),
        "memory": (
            memory_curves,
            {"xlabel": "minutes", "ylabel": "MB of the largest process"},
        ),
    }
    for name, (curves_of, axes) in kinds.items():
        if curves := curves_of(results):
            yield name, _figure(curves, axes, budget=_budget(results) if name == "knee" else None)


def _budget(results: dict[str, Any]) -> float | None:
    budgets = [one["phase"]["budget"] for one in results["phases"] if one["phase"]["budget"]]
    return budgets[0]["p99_ms"] if budgets else None


def _figure(curves: Sequence[Curve], axes: dict[str, str], *, budget: float | None) -> Figure:
    figure = Figure(figsize=INCHES, layout="constrained")
    plane = figure.subplots()
    for curve in curves:
        plane.plot(curve.x, curve.y, label=curve.name, marker="." if len(curve.x) < 100 else "")
    if budget is not None:
        plane.axhline(budget, color="grey", linestyle="--", label=f"p99 budget, {budget:g} ms")
    plane.set(**axes)
    plane.grid(visible=True, alpha=0.3)
    plane.legend()
    return figure


def _saved(figure: Figure, path: Path) -> Path:
    with mpl.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})
    return path


def main() -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.measures.plots")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("json", type=Path, nargs="+", help="what bench or locust_run wrote")
    for path in parser.parse_args().json:
        for drawn in draw(path):
            print(drawn)


if __name__ == "__main__":
    main()
