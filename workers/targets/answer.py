"""How a target took one ring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from msgspec import Struct

from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome


class Answer(Struct, frozen=True, kw_only=True):
    """One attempt's end, as the target tells it.

    Attributes:
        retry_after: How long the target asks to be left alone.
        at_fault: Whether it failed because of the target, whatever its status.
    """

    outcome: Outcome
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = None
    retry_after: timedelta | None = None
    at_fault: bool = False


Ring = Callable[[TakenRun, datetime], Awaitable[Answer]]
"""Makes one attempt at a run's target; the instant is when it starts."""
