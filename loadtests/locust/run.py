"""Simulate users with Locust, without a browser, against a Tocsin started for the purpose.

Exits with 0 only if no request failed, every budget was kept and every triggered run rang.
"""

import argparse
import asyncio
import subprocess
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from loadtests import CHECKOUT
from loadtests.locust.principals import SERVICES, USERS, prepare, save
from loadtests.locust.shapes import DRAIN_SECONDS, SHAPES, Asked
from loadtests.locust.throttle import throttled
from loadtests.measures.cpu import command_line, family, role_of
from loadtests.measures.memory_watch import add_memory, memory_table, watched_memory
from loadtests.measures.plots import draw
from loadtests.measures.system import System, exit_on_sigterm
from loadtests.sink.process import SinkProcess

RESULTS = Path(__file__).with_name("results")
GRACE_SECONDS = 90.0


def simulate(system: System, sink: SinkProcess, chosen: argparse.Namespace, path: Path) -> int:
    """Make the users, let them act, and return Locust's exit code."""
    principals = path.with_suffix(".keys")
    made = asyncio.run(
        prepare(
            system.url,
            system.operator_key,
            target=f"{sink.url}/ok",
            users=chosen.users,
            services=min(chosen.services, chosen.users),
        )
    )
    save(made, principals)
    try:
        with ExitStack() as stack:
            if chosen.throttle:
                stack.enter_context(throttled(api_pids(system), chosen.throttle))
            return run_locust(system.url, sink.url, principals, chosen, path)
    finally:
        principals.unlink()


def run_locust(
    url: str, sink: str, principals: Path, chosen: argparse.Namespace, path: Path
) -> int:
    """Run Locust to its end."""
    arguments = ["--headless", "--only-summary", "--loglevel", "WARNING", "--host", url]
    arguments += ["--users", str(chosen.users), "--stop-timeout", "10"]
    arguments += ["--html", str(path.with_suffix(".html")), "--results", str(path)]
    arguments += ["--shape", chosen.shape, "--sink", sink, "--principals", str(principals)]
    arguments += ["--rate", str(chosen.rate), "--seconds", str(chosen.seconds)]
    if chosen.processes > 1:
        arguments += ["--processes", str(chosen.processes)]
        arguments += ["--expect-workers", str(chosen.processes)]
    finished = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locust/locustfile.py", *arguments],
        cwd=CHECKOUT,
        timeout=longest(chosen) + GRACE_SECONDS,
        check=False,
    )
    return finished.returncode


def longest(chosen: argparse.Namespace) -> float:
    """Seconds that the load lasts at most."""
    asked = Asked(users=chosen.users, rate=chosen.rate, seconds=chosen.seconds)
    return sum(phase.seconds for phase in SHAPES[chosen.shape](asked)) + DRAIN_SECONDS


def api_pids(system: System) -> list[int]:
    """The API's processes."""
    return [
        process.pid
        for process in family(system.pid)
        if role_of(command_line(process), "up") == "api"
    ]


def share(text: str) -> float:
    """A share from 0 to less than 1."""
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError("from 0 to less than 1")
    return number


def count(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("from 1 on")
    return number


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    made = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.locust.run")
    made.add_argument("--shape", choices=list(SHAPES), default="steady")
    made.add_argument("--users", type=count, default=USERS)
    made.add_argument("--services", type=count, default=SERVICES)
    made.add_argument("--rate", type=float, default=0.0, help="requests a second at first")
    made.add_argument("--seconds", type=int, default=0, help="of the judged phases")
    made.add_argument("--processes", type=count, default=1, help="Locust workers, under a master")
    made.add_argument(
        "--throttle",
        type=share,
        default=0.0,
        help="the API's processes stand still for this share of every second, so that it fails",
    )
    return made


def main() -> None:
    """Simulate from the command line."""
    chosen = parser().parse_args()
    exit_on_sigterm()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"locust-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    with SinkProcess() as sink, System() as system, watched_memory(system.pid) as memory:
        Console().print(f"Making {chosen.users:,} users …")
        code = simulate(system, sink, chosen, path)
    Console().print(memory_table(memory))
    if path.exists():
        add_memory(memory, path)
        print(f"Written to {path} and {path.with_suffix('.html').name}")
        for drawn in draw(path):
            print(f"Plotted in {drawn}")
    sys.exit(code)


if __name__ == "__main__":
    main()
