"""What came of a simulated load: kept as JSON, shown as tables."""

from collections import Counter
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from loadtests.locust.judging import PhaseOutcome, Rings, percentiles

BUSY_PERCENT = 80.0


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request, from the first to the last."""

    name: str
    requests: int
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; without problems, it has passed."""

    shape: str
    users: int
    phases: list[PhaseOutcome]
    kinds: list[Kind]
    rings: Rings
    knee: PhaseOutcome | None
    generator_cpu_percent: float
    """Of one core, at its busiest: a generator that has none left measures itself."""
    problems: list[str]


def kinds_of(stats: Any) -> list[Kind]:
    """Locust's own statistics, by kind of request."""
    return [
        kind_of(entry.name, entry.num_requests, entry.num_failures, entry.response_times)
        for entry in sorted(stats.entries.values(), key=lambda entry: entry.name)
    ]


def kind_of(name: str, requests: int, failed: int, counted: dict[int, int]) -> Kind:
    """A kind of request; Locust rounds the milliseconds that it counts."""
    times = dict(Counter(counted))
    p50, p95, p99, most = percentiles(times, (0.50, 0.95, 0.99, 1.0))
    return Kind(
        name=name,
        requests=requests,
        failed=failed,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        most_ms=most,
    )


def show(outcome: Outcome, console: Console | None = None) -> None:
    """Print the summary."""
    console = console or Console(width=110)
    console.print(kinds_table(outcome.kinds))
    console.print(phases_table(outcome.phases))
    rings = outcome.rings
    console.print(
        f"{outcome.users:,} users; {rings.triggered} runs triggered, {rings.missing} did not ring;"
        f" generator at most {outcome.generator_cpu_percent:.0f} % of a core"
    )
    if outcome.knee is not None:
        console.print(knee_line(outcome.knee, outcome.generator_cpu_percent))
    for problem in outcome.problems:
        console.print(f"[red]{problem}")
    console.print("[red]failed" if outcome.problems else "[green]passed")


def knee_line(knee: PhaseOutcome, generator_cpu_percent: float) -> str:
    """Where the knee is, and whose it is."""
    line = f"Knee: {knee.per_second:,.0f} requests/s at p99 {knee.p99_ms:g} ms"
    if generator_cpu_percent >= BUSY_PERCENT:
        line += "; the generator was busy, so that it may be its own: use more workers"
    return line


def kinds_table(kinds: list[Kind]) -> Table:
    """A line for each kind of request."""
    table = _table("request", "count", "failed", "p50 ms", "p95 ms", "p99 ms", "max ms")
    for kind in kinds:
        table.add_row(
            kind.name,
            f"{kind.requests:,}",
            f"{kind.failed:,}",
            *_rounded(kind.p50_ms, kind.p95_ms, kind.p99_ms, kind.most_ms),
        )
    return table


def phases_table(phases: list[PhaseOutcome]) -> Table:
    """A line for each phase, with its budgets."""
    table = _table("phase", "asked/s", "got/s", "least/min", "p50 ms", "p95 ms", "p99 ms", "failed")
    for one in phases:
        budget = one.phase.budget
        least, p95, p99 = _rounded(one.least_per_minute, one.p95_ms, one.p99_ms)
        if budget is not None:
            least += f" ≥ {budget.per_minute:,.0f}"
            p95 += f" ≤ {budget.p95_ms:g}"
            p99 += f" ≤ {budget.p99_ms:g}"
        table.add_row(
            one.phase.name,
            *_rounded(one.phase.rate, one.per_second),
            least,
            *_rounded(one.p50_ms),
            p95,
            p99,
            str(one.failed),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _rounded(*values: float) -> list[str]:
    return [f"{value:,.0f}" for value in values]
