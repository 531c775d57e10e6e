"""Measured figures: beside the bars they should clear, and beside other systems'."""

import math
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests.compare.bare import Bare
from loadtests.measures.cpu import ROLES
from loadtests.measures.latency import Spread

FLASK = "Flask + gunicorn + Celery"
GRAPHILE = "graphile-worker"
OUR_CPU = "CPU of all of Tocsin"


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
    cpu: dict[str, dict[str, float]] = {}
    """CPU seconds per 1,000 fires or requests, by part of the system, of each scenario."""
    details: dict[str, object] = {}


def cpu_figure(
    scenario: str,
    by_role: Mapping[str, float],
    *,
    bar: float | None = None,
    others: dict[str, float] | None = None,
) -> Figure:
    """CPU seconds of all of Tocsin together: databases included, generator and sink not."""
    return Figure(scenario, OUR_CPU, our_cpu(by_role), "s/1k", bar, others=others or {})


def our_cpu(by_role: Mapping[str, float]) -> float:
    """The sum over all parts of Tocsin."""
    return sum(by_role.get(role, 0.0) for role in ROLES)


def companion(figure: Figure, cpu: Mapping[str, Mapping[str, float]], bare: Bare) -> str:
    """What a figure is like on any machine: CPU per 1,000, or how often the bare framework's."""
    used = our_cpu(cpu.get(figure.scenario, {}))
    if figure.unit == "ms" and used:
        return f"{rounded(used)} s/1k"
    beside = {
        "/s": bare.per_second,
        "s/1k": bare.cpu,
        "ms": bare.lone_ms,
        "s": bare.start_seconds,
        "MB": bare.megabytes,
    }.get(figure.unit)
    return "" if not beside else f"{rounded(figure.value / beside)} times hello"


def spread_figures(scenario: str, what: str, spread: Spread) -> list[Figure]:
    """The three lines of a latency or lateness, without bars."""
    values = {"p50": spread.p50, "p99": spread.p99, "max": spread.most}
    return [Figure(scenario, f"{what}, {name}", ms, "ms") for name, ms in values.items()]


def show(parts: list[Measured], bare: Bare, console: Console) -> None:
    """Print the figures as one table and the CPU seconds as another."""
    cpu = {name: used for part in parts for name, used in part.cpu.items()}
    figures = [figure for part in parts for figure in part.figures]
    console.print(figure_table(figures, lambda figure: companion(figure, cpu, bare)))
    console.print(cpu_table(cpu))


def figure_table(figures: list[Figure], beside: Callable[[Figure], str]) -> Table:
    """A line for each figure."""
    table = Table("scenario", "figure", title="Tocsin, measured", title_justify="left")
    for heading in ("value", "bar", "", "anywhere", "Flask build*", "graphile**"):
        table.add_column(heading, justify="right", no_wrap=True)
    for _, section in groupby(figures, key=lambda figure: figure.scenario):
        table.add_section()
        for figure in section:
            table.add_row(*row(figure, beside(figure)))
    table.caption = (
        "anywhere: what compares between machines, CPU s per 1,000 or a ratio to the bare framework"
        f" (hello)\nFor orientation, on this class of machine: * {FLASK}, ** {GRAPHILE}"
    )
    return table


def row(figure: Figure, beside: str) -> list[str]:
    """A figure's cells."""
    sign = "≥" if figure.better == "higher" else "≤"
    return [
        figure.scenario,
        figure.name,
        f"{rounded(figure.value)} {figure.unit}",
        "" if figure.bar is None else f"{sign} {rounded(figure.bar)}",
        {None: "", True: "[green]pass", False: "[red]miss"}[figure.passes],
        beside,
        *(rounded(figure.others[of]) if of in figure.others else "" for of in (FLASK, GRAPHILE)),
    ]


def cpu_table(cpu: Mapping[str, Mapping[str, float]]) -> Table:
    """A line for each scenario, a column for each part of the system."""
    measured = dict.fromkeys(role for used in cpu.values() for role in used)
    roles = [role for role in dict.fromkeys([*ROLES, *measured]) if role in measured]
    title = "CPU seconds per 1,000 fires or requests"
    table = Table(title=title, title_justify="left")
    table.add_column("scenario", no_wrap=True)
    for role in roles:
        table.add_column(role, justify="right", no_wrap=True)
    for scenario, used in cpu.items():
        table.add_row(scenario, *(rounded(used[role]) if role in used else "" for role in roles))
    return table


def rounded(value: float) -> str:
    """Three significant digits, or all before the point."""
    if value == 0:
        return "0"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{min(digits, 4)}f}"
