"""Simulate clients with Locust, without a browser, against a Tocsin started for the purpose.

Exits with 0 only if every request succeeded and every run that was triggered rang.
"""

import argparse
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests import CHECKOUT
from loadtests.latency import Spread, spread_of
from loadtests.sink_process import SinkProcess
from loadtests.system import System, exit_on_sigterm

RESULTS = Path(__file__).with_name("results")
MAX_USERS = 1_000
MAX_SECONDS = 600
RING_SECONDS = 10.0
GRACE_SECONDS = 60.0


class Entry(msgspec.Struct):
    """One kind of request in Locust's results."""

    name: str
    num_requests: int
    num_failures: int
    response_times: dict[float, int]
    """How many answers took so many milliseconds, rounded by Locust."""

    def spread(self) -> Spread:
        """Percentiles of the response times."""
        return spread_of(Counter(self.response_times).elements())


def simulate(system: System, sink: SinkProcess, *, users: int, seconds: int, path: Path) -> int:
    """Run Locust and return its exit code, which is 1 after any failed request."""
    arguments = ["--headless", "--only-summary", "--host", system.url, "--exit-code-on-error", "1"]
    arguments += ["--users", str(users), "--spawn-rate", str(max(users / 5, 1))]
    arguments += [
        "--run-time",
        f"{seconds}s",
        "--stop-timeout",
        "10",
        "--json-file",
        str(path.with_suffix("")),
    ]
    finished = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", *arguments],
        env={
            **os.environ,
            "TOCSIN_LOADTEST_KEY": system.key,
            "TOCSIN_LOADTEST_SINK": sink.url,
        },
        cwd=CHECKOUT,
        timeout=seconds + GRACE_SECONDS,
        check=False,
    )
    return finished.returncode


def entries_in(path: Path) -> list[Entry]:
    """What Locust wrote about each kind of request."""
    if not path.exists():
        raise RuntimeError("Locust wrote no results; its error is above.")
    return msgspec.json.decode(path.read_bytes(), type=list[Entry])


def show(entries: list[Entry], console: Console) -> None:
    """Print a line for each kind of request."""
    table = Table("request", "count", "failed", "p50 ms", "p99 ms", "max ms")
    for entry in entries:
        spread = entry.spread()
        times = (f"{ms:.0f}" for ms in (spread.p50, spread.p99, spread.most))
        table.add_row(entry.name, str(entry.num_requests), str(entry.num_failures), *times)
    console.print(table)


def triggered(entries: list[Entry]) -> int:
    """How many runs the clients triggered."""
    return sum(
        entry.num_requests - entry.num_failures
        for entry in entries
        if entry.name.endswith("/trigger")
    )


def limited(text: str, most: int) -> int:
    """A whole number from 1 to `most`."""
    number = int(text)
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(f"from 1 to {most}")
    return number


def main() -> None:
    """Simulate from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.locust_run")
    parser.add_argument("--users", type=lambda text: limited(text, MAX_USERS), default=50)
    parser.add_argument("--seconds", type=lambda text: limited(text, MAX_SECONDS), default=30)
    chosen = parser.parse_args()
    exit_on_sigterm()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"locust-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    with SinkProcess() as sink, System() as system:
        code = simulate(system, sink, users=chosen.users, seconds=chosen.seconds, path=path)
        entries = entries_in(path)
        wanted = triggered(entries)
        rung = sink.wait_for(wanted, seconds=RING_SECONDS).unique_ids
    show(entries, Console())
    print(f"{wanted} runs triggered, {rung} rang. Written to {path}")
    sys.exit(code or int(rung < wanted))


if __name__ == "__main__":
    main()
