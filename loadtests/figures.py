"""Measured figures: beside the bars they should clear, and beside other systems'."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests.latency import Spread

NONE: Mapping[str, float] = {}
FLASK = "Flask + gunicorn + Celery"
GRAPHILE = "graphile-worker"


class Figure(msgspec.Struct, frozen=True):
    """One measured number."""

    scenario: str
    name: str
    value: float
    unit: str
    bar: float | None = None
    better: Literal["higher", "lower"] = "lower"
    others: dict[str, float] = {}
    """The same figure of other systems on this class of machine, for orientation."""

    @property
    def passes(self) -> bool | None:
        """Whether the bar is reached; None without one."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.better == "higher" else self.value <= self.bar


class Measured(msgspec.Struct, kw_only=True):
    """All that a scenario found out."""

    figures: list[Figure]
    problems: list[str]
    """What must not happen at all: errors, lost, doubled or early fires."""
    details: dict[str, object] = {}


def cpu_figures(
    scenario: str, by_role: Mapping[str, float], unit: str, others: Mapping[str, float] = NONE
) -> list[Figure]:
    """CPU seconds of all of Tocsin, and of each part; the sink's stand apart."""
    ours = sum(seconds for role, seconds in by_role.items() if role != "sink")
    return [
        Figure(scenario, "CPU of all but the sink", ours, unit, others=dict(others)),
        *(Figure(scenario, f"CPU of {role}", used, unit) for role, used in by_role.items()),
    ]


def spread_figures(scenario: str, what: str, spread: Spread) -> list[Figure]:
    """The three lines of a latency or lateness, without bars."""
    values = {"p50": spread.p50, "p99": spread.p99, "max": spread.most}
    return [Figure(scenario, f"{what}, {name}", ms, "ms") for name, ms in values.items()]


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the figures as a table."""
    table = Table(title="Tocsin, measured", title_justify="left")
    for column in ("scenario", "figure"):
        table.add_column(column)
    for column in ("value", "unit", "bar", "", FLASK, GRAPHILE):
        table.add_column(column, justify="right" if column in ("value", "bar") else "left")
    previous = None
    for figure in figures:
        if previous not in (None, figure.scenario):
            table.add_section()
        previous = figure.scenario
        table.add_row(*row(figure))
    console.print(table)


def row(figure: Figure) -> list[str]:
    """A figure's line in the table."""
    sign = "≥" if figure.better == "higher" else "≤"
    return [
        figure.scenario,
        figure.name,
        rounded(figure.value),
        figure.unit,
        "" if figure.bar is None else f"{sign} {rounded(figure.bar)}",
        {None: "", True: "[green]pass", False: "[red]miss"}[figure.passes],
        *(rounded(figure.others[of]) if of in figure.others else "" for of in (FLASK, GRAPHILE)),
    ]


def rounded(value: float) -> str:
    """Three significant digits, or all before the point."""
    if value == 0:
        return "0"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{min(digits, 4)}f}"
