"""Measure firing and the API of a whole Tocsin, started for the purpose on this machine.

Exits with 0 even where a bar is missed: it measures. Errors, and fires that were lost, doubled
or early, make it exit with 1.
"""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from loadtests import (
    admission,
    api,
    burst,
    fairness,
    outage,
    reads,
    schedules,
    sink_limit,
    steady,
)
from loadtests.figures import Measured, show
from loadtests.sink_process import SinkProcess
from loadtests.system import System, exit_on_sigterm

RESULTS = Path(__file__).with_name("results")
PLAIN_WIDTH = 140

SCENARIOS: dict[str, Callable[[System, SinkProcess], Measured]] = {
    "burst": burst.measure,
    "steady": steady.measure,
    "api": lambda system, _: api.measure(system),
    "reads": lambda system, _: reads.measure(system),
    "admission": lambda system, _: admission.measure(system),
    "outage": outage.measure,
    "schedules": lambda system, sink: schedules.measure(),
    # Last: its flood goes on when it has been measured.
    "fairness": fairness.measure,
}


def run(names: list[str], console: Console) -> Iterator[tuple[str, Measured]]:
    """Start a sink and a system, and measure one scenario after the other."""
    with ExitStack() as started:
        sink = started.enter_context(SinkProcess())
        console.print("Measuring the sink alone …")
        yield "sink", sink_limit.measure(sink)
        console.print("Starting Tocsin …")
        system = started.enter_context(System())
        for name in names:
            console.print(f"Measuring {name} …")
            try:
                yield name, SCENARIOS[name](system, sink)
            except Exception:
                console.print(system.log_tail(), markup=False)
                raise


def machine() -> dict[str, object]:
    """What the figures were measured on and with."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "generator": "loadtests.generator",
    }


def save(measured: dict[str, Measured], path: Path | None) -> Path:
    """Write everything as JSON: a file of its own time, and the latest."""
    now = datetime.now(UTC)
    content = msgspec.json.format(
        msgspec.json.encode({"at": now, "machine": machine(), "scenarios": measured})
    )
    RESULTS.mkdir(exist_ok=True)
    written = path or RESULTS / f"bench-{now:%Y%m%dT%H%M%SZ}.json"
    written.write_bytes(content)
    (RESULTS / "latest.json").write_bytes(content)
    return written


def chosen_scenarios(text: str) -> list[str]:
    """Names from the command line, in the order of measuring."""
    names = text.split(",")
    if unknown := set(names) - set(SCENARIOS):
        raise argparse.ArgumentTypeError(
            f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}"
        )
    return [name for name in SCENARIOS if name in names]


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.bench")
    parser.add_argument("--only", type=chosen_scenarios, default=list(SCENARIOS))
    parser.add_argument("--json", type=Path, help="write there instead of loadtests/results/")
    chosen = parser.parse_args()
    exit_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    measured = dict(run(chosen.only, console))
    show(list(measured.values()), console)
    described = [f"{name} {value}" for name, value in (machine() | {"mix in %": api.MIX}).items()]
    console.print("; ".join(described))
    console.print(f"Written to {save(measured, chosen.json)}")
    problems = [problem for part in measured.values() for problem in part.problems]
    for problem in problems:
        console.print(f"[red]{problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
