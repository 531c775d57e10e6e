"""What the end of an attempt tells of how its target fares."""

from __future__ import annotations

from typing import NamedTuple

from domain.runs.run import Outcome

TOO_MANY_REQUESTS = 429
OVERLOADED = frozenset({502, 503, 504})


class HealthSignal(NamedTuple):
    """Attributes:
    slow: It had too much; it is to be rung more slowly.
    broken: It is broken, or cannot be reached; if that goes on, it is to be left alone.
    """

    slow: bool
    broken: bool


NONE = HealthSignal(slow=False, broken=False)
TIMED_OUT = HealthSignal(slow=True, broken=True)


def signal_of(outcome: Outcome, status_code: int | None, *, at_fault: bool) -> HealthSignal | None:
    """The signs that an attempt gives, or None when it tells nothing of its target.

    Args:
        at_fault: Whether it failed because of the target, whatever its status.
    """
    if outcome is Outcome.SUCCEEDED:
        return NONE
    if outcome is Outcome.TIMED_OUT:
        return TIMED_OUT
    if status_code is None:
        return HealthSignal(slow=False, broken=True) if at_fault else None
    overloaded = status_code in OVERLOADED
    return HealthSignal(
        slow=overloaded or status_code == TOO_MANY_REQUESTS,
        broken=at_fault or 500 <= status_code < 600,
    )
