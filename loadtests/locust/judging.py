"""Whether a simulated load kept its budgets, and at which rate that ends."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from loadtests.locust.shapes import LEAST_SHARE, WINDOW_SECONDS, Phase, starts_of
from loadtests.locust.tally import Second, Tally, together

NOT_PASSED = 3
"""The exit code of a load that was judged and did not pass; 1 is a mistake of another kind."""


class PhaseOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a phase."""

    phase: Phase
    requests: int
    failed: int
    per_second: float
    least_per_minute: float
    """In the worst window of ten seconds."""
    p50_ms: float
    p95_ms: float
    p99_ms: float
    most_ms: float

    @property
    def problems(self) -> list[str]:
        """Where it broke its budget."""
        found = [f"{self.failed} requests failed"] if self.failed else []
        budget = self.phase.budget
        if budget is None:
            return found
        if self.least_per_minute < budget.per_minute:
            found.append(f"{self.least_per_minute:,.0f} requests/min in the worst ten seconds")
        if self.p95_ms > budget.p95_ms:
            found.append(f"p95 {self.p95_ms:g} ms, not {budget.p95_ms:g}")
        if self.p99_ms > budget.p99_ms:
            found.append(f"p99 {self.p99_ms:g} ms, not {budget.p99_ms:g}")
        return found

    @property
    def is_beyond_the_knee(self) -> bool:
        """Whether errors, percentiles or a rate that is not reached say so."""
        return bool(self.problems) or self.per_second < self.phase.rate * LEAST_SHARE


def outcomes_of(phases: list[Phase], began: float, tally: Tally) -> list[PhaseOutcome]:
    """What came of each phase that lasted a second at least.

    Args:
        began: When the first phase did, in seconds since 1970.
    """
    last = max(tally.seconds, default=0)
    found = []
    for phase, start in zip(phases, starts_of(phases), strict=True):
        # Whole seconds: one that two phases share is of neither.
        first, end = math.ceil(began + start), math.floor(began + start + phase.seconds)
        seconds = [tally.seconds.get(at, Second()) for at in range(first, end) if at <= last]
        if seconds:
            found.append(outcome_of(phase, seconds))
    return found


def outcome_of(phase: Phase, seconds: Sequence[Second]) -> PhaseOutcome:
    """What came of a phase whose seconds were these."""
    answered = together(seconds).answered
    requests = sum(answered.values())
    p50, p95, p99, most = percentiles(answered, (0.50, 0.95, 0.99, 1.0))
    return PhaseOutcome(
        phase=phase,
        requests=requests,
        failed=sum(second.failed for second in seconds),
        per_second=requests / len(seconds),
        least_per_minute=least_per_minute(seconds),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        most_ms=most,
    )


def least_per_minute(seconds: Sequence[Second]) -> float:
    """Answers a minute in the worst ten seconds on end; fewer seconds are taken as a whole."""
    counts = [sum(second.answered.values()) for second in seconds]
    width = min(WINDOW_SECONDS, len(counts))
    starts = range(len(counts) - width + 1)
    return min(sum(counts[start : start + width]) for start in starts) * 60 / width


def percentiles(counted: dict[int, int], shares: Iterable[float]) -> list[float]:
    """Percentiles by nearest rank; 0 where nothing was counted."""
    ordered = sorted(Counter(counted).items())
    total = sum(times for _, times in ordered)
    return [float(_at_rank(ordered, max(math.ceil(share * total), 1))) for share in shares]


def _at_rank(ordered: list[tuple[int, int]], rank: int) -> int:
    for value, times in ordered:
        rank -= times
        if rank <= 0:
            return value
    return 0


def knee_of(outcomes: Iterable[PhaseOutcome]) -> PhaseOutcome | None:
    """The last stage before the first that is beyond; None if none is good."""
    knee = None
    for outcome in outcomes:
        if outcome.phase.budget is None:
            continue
        if outcome.is_beyond_the_knee:
            break
        knee = outcome
    return knee


class Rings(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the sink saw the runs that were triggered."""

    triggered: int
    missing: int
    forgotten: int = 0
    """Arrivals that the sink had no room for: what is missing may be among them."""


def judge(shape: str, outcomes: list[PhaseOutcome], failures: int, rings: Rings) -> list[str]:
    """All that was not as it must be; a load without any such thing has passed."""
    found = [f"{failures} requests failed"] if failures else []
    if not any(outcome.phase.budget for outcome in outcomes):
        found.append("it ended before anything could be judged")
    if shape == "ramp":
        if outcomes and knee_of(outcomes) is None:
            found.append("even the first stage is beyond the knee")
    else:
        found += [f"{one.phase.name}: {what}" for one in outcomes for what in one.problems]
    if rings.missing:
        found.append(f"{rings.missing} of {rings.triggered} triggered runs did not ring")
    if rings.forgotten:
        found.append(f"the sink had no room for {rings.forgotten} arrivals")
    return found
