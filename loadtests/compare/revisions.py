"""Measure this checkout and another revision turn by turn, and compare figure by figure.

The base is checked out into a worktree that is removed again in any case. It is measured with the
scenarios of this checkout, so that both are measured in the same way; a base whose modules lie
elsewhere is measured with its own.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests import CHECKOUT
from loadtests.compare.figures import Figure, rounded
from loadtests.measures.system import exit_on_sigterm

LOCKS = ("locks/run.txt", "locks/dev.txt")
ROOMS = "app/embedded"
"""A folder of every revision whose modules lie where ours do."""
ONLY = "run_now,burst,steady,api"
TURNS = 3
PLAIN_WIDTH = 140


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two that are compared."""

    name: str
    checkout: Path
    python: Path


class Part(msgspec.Struct):
    """What comparing reads of a scenario."""

    figures: list[Figure]
    problems: list[str]


class Turn(msgspec.Struct):
    """What comparing reads of a run of the benchmarks."""

    scenarios: dict[str, Part]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A figure on both sides: medians, and how much they vary."""

    scenario: str
    name: str
    unit: str
    base: float
    head: float
    spread: float
    """The larger of both sides' distances between least and most, as a share of the median."""

    @property
    def ratio(self) -> float | None:
        """Of head to base; None where base is nothing."""
        return self.head / self.base if self.base else None

    @property
    def is_clear(self) -> bool:
        """Whether the medians differ by more than either side does from itself."""
        return self.ratio is not None and abs(self.ratio - 1) > self.spread


@contextmanager
def worktree(revision: str) -> Iterator[Path]:
    """A checkout of a revision with our scenarios, removed when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="tocsin-base-"))
    path = folder / "checkout"
    try:
        _git("worktree", "add", "--detach", "--quiet", str(path), revision)
        # Where modules lay elsewhere, our scenarios do not find them: the base's own do the same.
        if (path / ROOMS).is_dir():
            shutil.rmtree(path / "loadtests", ignore_errors=True)
            ignored = shutil.ignore_patterns("results", "__pycache__")
            shutil.copytree(CHECKOUT / "loadtests", path / "loadtests", ignore=ignored)
        folder.chmod(0o755)  # the servers may run as another account
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _git("worktree", "prune")


def side_of(name: str, checkout: Path) -> Side:
    """The environment is ours where the locks are; or else one is built inside the checkout."""
    if same_locks(checkout):
        return Side(name=name, checkout=checkout, python=Path(sys.executable))
    build = ["make", "--silent", f"PYTHON={sys.executable}", ".venv/dev.installed"]
    subprocess.run(build, cwd=checkout, check=True)
    python = checkout / ".venv" / "bin" / "python"
    return Side(name=name, checkout=checkout, python=python)


def same_locks(checkout: Path) -> bool:
    """Whether a checkout needs the very packages that this one does."""
    return all((checkout / lock).read_bytes() == (CHECKOUT / lock).read_bytes() for lock in LOCKS)


def measure(side: Side, only: str, path: Path) -> Turn:
    """Run the benchmarks on one side."""
    subprocess.run(
        [str(side.python), "-P", "-m", "loadtests.bench", "--only", only, "--json", str(path)],
        cwd=side.checkout,
        env=environment_of(side),
        stdout=subprocess.DEVNULL,
        check=False,  # 1 tells of problems, which are in the JSON
    )
    if not path.exists():
        raise RuntimeError(f"{side.name} wrote no results; its error is above.")
    return msgspec.json.decode(path.read_bytes(), type=Turn)


def environment_of(side: Side) -> dict[str, str]:
    """What makes a side's processes find its code before any that is installed."""
    return {**os.environ, "PYTHONPATH": str(side.checkout)}


def turn_by_turn(
    sides: Sequence[Side], only: str, turns: int, console: Console
) -> dict[str, list[Turn]]:
    """Base, head, base, head: what the machine does meanwhile hits both."""
    measured: dict[str, list[Turn]] = {side.name: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="tocsin-compare-") as folder:
        for number in range(1, turns + 1):
            for side in sides:
                console.print(f"Turn {number} of {turns}: {side.name} …")
                path = Path(folder) / f"{side.name}-{number}.json"
                measured[side.name].append(measure(side, only, path))
    return measured


def compare(base: Sequence[Turn], head: Sequence[Turn]) -> list[Compared]:
    """Every figure that both sides have, in the order of the base."""
    before, after = _values(base), _values(head)
    return [
        Compared(
            scenario=key[0],
            name=key[1],
            unit=key[2],
            base=median(before[key]),
            head=median(after[key]),
            spread=max(_spread(before[key]), _spread(after[key])),
        )
        for key in before
        if key in after
    ]


def problems_of(turns: Sequence[Turn]) -> list[str]:
    """What went wrong in any turn."""
    parts = [part for turn in turns for part in turn.scenarios.values()]
    return [problem for part in parts for problem in part.problems]


def _values(turns: Sequence[Turn]) -> dict[tuple[str, str, str], list[float]]:
    values: dict[tuple[str, str, str], list[float]] = {}
    for turn in turns:
        for part in turn.scenarios.values():
            for figure in part.figures:
                key = (figure.scenario, figure.name, figure.unit)
                values.setdefault(key, []).append(figure.value)
    return values


def _spread(values: Sequence[float]) -> float:
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def table_of(compared: Sequence[Compared], base: str) -> Table:
    """A line for each figure; bold where the difference is clear."""
    table = Table("scenario", "figure")
    for heading in ("", base, "this checkout", "ratio", "spread"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in compared:
        ratio = "" if one.ratio is None else f"{one.ratio:.3f}"
        table.add_row(
            one.scenario,
            one.name,
            one.unit,
            rounded(one.base),
            rounded(one.head),
            f"[bold]{ratio}" if one.is_clear else ratio,
            f"{100 * one.spread:.1f} %",
        )
    return table


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=CHECKOUT, check=True)


def main() -> None:
    """Compare from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m loadtests.compare.revisions"
    )
    parser.add_argument("base", help="a branch, a tag or a commit")
    parser.add_argument("--only", default=ONLY, help="scenarios, separated by commas")
    parser.add_argument("--turns", type=int, default=TURNS)
    chosen = parser.parse_args()
    exit_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    with worktree(chosen.base) as checkout:
        sides = [side_of("base", checkout), side_of("head", CHECKOUT)]
        measured = turn_by_turn(sides, chosen.only, chosen.turns, console)
    base, head = measured["base"], measured["head"]
    console.print(table_of(compare(base, head), chosen.base))
    console.print("bold: the medians differ by more than one side's turns do among themselves")
    problems = [f"base: {problem}" for problem in problems_of(base)]
    problems += [f"head: {problem}" for problem in problems_of(head)]
    for problem in problems:
        console.print(f"[red]{problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
