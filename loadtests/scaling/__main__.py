"""Which thresholds of the autoscaler hold through a day, and cost least; and whether ours are they.

python -m loadtests.scaling [--day recorded.csv] [--costs costs.json]
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests.scaling.choosing import (
    FIRES,
    REQUESTS,
    Objective,
    Outcome,
    Scaled,
    api_candidates,
    api_outcome,
    chosen,
    read_scaled,
    worker_candidates,
    worker_outcome,
)
from loadtests.scaling.day import Minute, read_day
from loadtests.scaling.deployments import Costs
from loadtests.scaling.drawing import draw

HERE = Path(__file__).parent
MANIFEST = HERE.parents[1] / "k8s/overlays/production/autoscaling.yaml"
RESULTS = HERE.parent / "results"
SHOWN = 6


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m loadtests.scaling")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--day", type=Path, default=HERE / "day.csv", help="a line for each minute")
    parser.add_argument("--costs", type=Path, default=HERE / "costs.json", help="CPU as measured")
    return parser.parse_args()


def compare(
    name: str,
    ours: Scaled,
    candidates: Iterable[Scaled],
    outcome: Callable[[Scaled], Outcome],
    objective: Objective,
) -> tuple[Table, bool]:
    """What might be set, cheapest first, and what is set; whether that holds and is cheapest."""
    outcomes = [outcome(candidate) for candidate in candidates]
    best, own = chosen(outcomes, objective), outcome(ours)
    good = sorted((one for one in outcomes if one.holds(objective)), key=_price)
    bad = sorted((one for one in outcomes if not one.holds(objective)), key=_price)
    table = Table(title=name, title_justify="left")
    for heading in (
        "",
        "least",
        "thresholds",
        "pod hours",
        "most pods",
        "waits",
        "longest",
        "≤ 0.5 s",
    ):
        table.add_column(heading, justify="right" if heading else "left")
    rows = [("chosen", best), ("ours", own), *(("holds", one) for one in good[:SHOWN])]
    for label, one in [*rows, *(("too late", one) for one in bad[-SHOWN:])]:
        if one is not None:
            table.add_row(label, *_cells(one))
    return table, best is not None and own.holds(objective) and _price(own) <= _price(best)


def _price(one: Outcome) -> float:
    return round(one.pod_hours, 1)


def _cells(one: Outcome) -> Sequence[str]:
    return (
        str(one.least),
        " ".join(f"{threshold:g}" for threshold in one.thresholds),
        f"{one.pod_hours:.1f}",
        str(one.most_pods),
        f"{one.waits:.3f} s",
        f"{one.longest:.1f} s",
        f"{100 * one.within_half:.1f} %",
    )


def main() -> int:
    """Print both tables and draw the day; 1 when the manifest's thresholds are not the ones."""
    asked = parse()
    day: list[Minute] = read_day(asked.day)
    costs = msgspec.json.decode(asked.costs.read_bytes(), type=Costs)
    scaled = read_scaled(MANIFEST)
    api, worker = scaled["tocsin-api"], scaled["tocsin-worker"]
    console = Console(width=110)
    fine = True
    day_of_api, day_of_workers = (
        partial(api_outcome, day, costs),
        partial(worker_outcome, day, costs),
    )
    for name, ours, candidates, outcome, objective in (
        ("API: CPU %, requests/s", api, api_candidates(api), day_of_api, REQUESTS),
        (
            "Workers: messages, oldest due s",
            worker,
            worker_candidates(worker),
            day_of_workers,
            FIRES,
        ),
    ):
        table, good = compare(name, ours, candidates, outcome, objective)
        console.print(table)
        fine = fine and good
    RESULTS.mkdir(exist_ok=True)
    console.print(f"Drawn: {draw(day, costs, api, worker, RESULTS / 'scaling.svg')}")
    console.print("The manifest holds." if fine else f"{MANIFEST.name} is not what is chosen here.")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
