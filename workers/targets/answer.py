"""How a target took one ring."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

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
