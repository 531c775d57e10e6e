"""The clocks of a process, as a test sets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from storage.postgres.clock_offset import Moment


class SteppedClocks:
    """They stand until they are moved."""

    def __init__(self) -> None:
        self._wall, self._monotonic = datetime.now(UTC), 1_000.0

    def __call__(self) -> Moment:
        return Moment(self._wall, self._monotonic)

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.step(by)
        self._monotonic += by.total_seconds()

    def step(self, by: timedelta) -> None:
        """Set the wall clock."""
        self._wall += by
