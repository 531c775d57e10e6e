"""Measure firing and the API of a whole Tocsin, started for the purpose on this machine.

Exits with 0 even where a bar is missed: it measures. Errors, and fires that were lost, doubled
or early, make it exit with 1.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console

from loadtests.compare import bare
from loadtests.compare.figures import Measured, show
from loadtests.measures.system import System, exit_on_sigterm
from loadtests.scenarios import (
    admission,
    api,
    burst,
    caches,
    fairness,
    growth,
    mix,
    outage,
    reads,
    run_now,
    schedules,
    sink_limit,
    start,
    steady,
)
from loadtests.sink.process import SinkProcess

RESULTS = Path(__file__).with_name("results")
PLAIN_WIDTH = 140


class Stand(NamedTuple):
    """What scenarios measure on."""

    system: System
    sink: SinkProcess
    bare: bare.Bare


SCENARIOS: dict[str, Callable[[Stand], Measured]] = {
    "start": lambda stand: start.measure(stand.system),
    "run_now": lambda stand: run_now.measure(stand.system, stand.sink),
    "burst": lambda stand: burst.measure(stand.system, stand.sink),
    "steady": lambda stand: steady.measure(stand.system, stand.sink),
    "steady_2000": lambda stand: steady.measure(stand.system, stand.sink, steady.HIGH),
    "api": lambda stand: api.measure(stand.system),
    "reads": lambda stand: reads.measure(stand.system, stand.bare),
    "mix": lambda stand: mix.measure(stand.system),
    "admission": lambda stand: admission.measure(stand.system),
    "caches": lambda stand: caches.measure(stand.system),
    "outage": lambda stand: outage.measure(stand.system, stand.sink),
    "schedules": lambda stand: schedules.measure(),
    # Last: its flood goes on when it has been measured.
    "fairness": lambda stand: fairness.measure(stand.system, stand.sink),
}
GROWTH = "growth"
"""Has a system for each size, and takes long: measured only when it is asked for."""


def run(
    names: list[str], sizes: list[int], hello: bare.Bare, console: Console
) -> Iterator[tuple[str, Measured]]:
    """Start a sink and a system, and measure one scenario after the other."""
    with SinkProcess() as sink:
        console.print("Measuring the sink alone …")
        yield "sink", sink_limit.measure(sink)
        on_one_system = [name for name in names if name in SCENARIOS]
        if on_one_system:
            yield from run_on_one_system(on_one_system, sink, hello, console)
        if GROWTH in names:
            console.print(f"Measuring growth over {sizes} jobs …")
            yield GROWTH, growth.measure(sink, sizes)


def run_on_one_system(
    names: list[str], sink: SinkProcess, hello: bare.Bare, console: Console
) -> Iterator[tuple[str, Measured]]:
    """Start a system for these scenarios."""
    console.print("Starting Tocsin …")
    with System() as system:
        for name in names:
            console.print(f"Measuring {name} …")
            try:
                yield name, SCENARIOS[name](Stand(system, sink, hello))
            except Exception:
                console.print(system.log_tail(), markup=False)
                raise


def machine() -> dict[str, object]:
    """What the figures were measured on and with."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "generator": "loadtests.measures.generator",
    }


def save(measured: dict[str, Measured], hello: bare.Bare, path: Path | None) -> Path:
    """Write everything as JSON: a file of its own time, and the latest."""
    now = datetime.now(UTC)
    results = {"at": now, "machine": machine(), "hello": hello, "scenarios": measured}
    content = msgspec.json.format(msgspec.json.encode(results))
    RESULTS.mkdir(exist_ok=True)
    written = path or RESULTS / f"bench-{now:%Y%m%dT%H%M%SZ}.json"
    written.write_bytes(content)
    (RESULTS / "latest.json").write_bytes(content)
    return written


def chosen_scenarios(text: str) -> list[str]:
    """Names from the command line, in the order of measuring."""
    names = text.split(",")
    known = [*SCENARIOS, GROWTH]
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(
            f"no scenario {', '.join(unknown)}; there are {', '.join(known)}"
        )
    return [name for name in known if name in names]


def chosen_sizes(text: str) -> list[int]:
    """Numbers of stored jobs from the command line; the others are compared with the first."""
    return [int(size) for size in text.split(",")]


def plot(written: Path, console: Console) -> None:
    """Draw what was written, if the library for it is there."""
    try:
        from loadtests.measures.plots import draw  # noqa: PLC0415 (it is not installed for tests)
    except ImportError:
        console.print("No plots: matplotlib is not installed; `make bench` does that.")
        return
    for path in draw(written):
        console.print(f"Plotted in {path}")


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.bench")
    parser.add_argument("--only", type=chosen_scenarios, default=list(SCENARIOS))
    parser.add_argument("--sizes", type=chosen_sizes, default=list(growth.SIZES), help="of growth")
    parser.add_argument("--json", type=Path, help="write there instead of loadtests/results/")
    chosen = parser.parse_args()
    exit_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    console.print("Measuring the bare framework …")
    hello = bare.measure()
    measured = dict(run(chosen.only, chosen.sizes, hello, console))
    show(list(measured.values()), hello, console)
    described = [f"{name} {value}" for name, value in (machine() | {"mix in %": api.MIX}).items()]
    console.print("; ".join(described))
    written = save(measured, hello, chosen.json)
    console.print(f"Written to {written}")
    plot(written, console)
    problems = [problem for part in measured.values() for problem in part.problems]
    for problem in problems:
        console.print(f"[red]{problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
