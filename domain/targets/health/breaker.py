"""A circuit breaker: a target that keeps failing is left alone, then tried with one attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import Struct

FAILURES = 10
"""So many failures in a row open it."""
FIRST_REST = timedelta(seconds=5)
LONGEST_REST = timedelta(minutes=5)
"""A rest is twice as long as the one before, up to this."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Attempts are made. After `FAILURES` in a row that failed, it opens."""
    OPEN = "open"
    """No attempt is made. When the rest is over, the next attempt is the probe."""
    HALF_OPEN = "half_open"
    """One attempt, the probe, is under way. If the target takes it the breaker closes, otherwise it
    opens again for longer."""


class Breaker(Struct, frozen=True, kw_only=True):
    """What is known of one target.

    Attributes:
        failures: In a row, up to now.
        opened_at: Since when it has not been closed.
        probe_at: When the next probe may be made.
        rest: How long the last rest was.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    rest: timedelta = timedelta(0)

    def admits(self, now: datetime) -> bool:
        """Whether an attempt may begin now."""
        if self.state is BreakerState.CLOSED:
            return True
        return (
            self.state is BreakerState.OPEN and self.probe_at is not None and now >= self.probe_at
        )

    def began(self) -> Breaker:
        """An attempt that it admits begins."""
        if self.state is BreakerState.CLOSED:
            return self
        return msgspec.structs.replace(self, state=BreakerState.HALF_OPEN)

    def withdrawn(self) -> Breaker:
        """An attempt that had begun tells nothing: if it was the probe, the next may be it."""
        if self.state is not BreakerState.HALF_OPEN:
            return self
        return msgspec.structs.replace(self, state=BreakerState.OPEN)

    def answered(self, began_at: datetime) -> Breaker:
        """The target took an attempt; one that began before it opened does not close it."""
        if self.opened_at is not None and began_at < self.opened_at:
            return self
        return CLOSED

    def failed(self, now: datetime, began_at: datetime) -> Breaker:
        """An attempt failed: without an answer, or with one that says that the target is broken."""
        failures = self.failures + 1
        if self.opened_at is not None and began_at < self.opened_at:
            return msgspec.structs.replace(self, failures=failures)
        if self.state is BreakerState.CLOSED and failures < FAILURES:
            return msgspec.structs.replace(self, failures=failures)
        rest = min(max(self.rest * 2, FIRST_REST), LONGEST_REST)
        return Breaker(
            state=BreakerState.OPEN,
            failures=failures,
            opened_at=self.opened_at or now,
            probe_at=now + rest,
            rest=rest,
        )


CLOSED = Breaker()
