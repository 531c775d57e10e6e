"""What reckoning with a schedule costs, in steps, and how much of it is allowed."""

from __future__ import annotations


class Work:
    """Counts what all questions about one schedule have cost so far.

    Attributes:
        steps: One is to ask a cron expression about an instant: about a microsecond.
    """

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0


class Budget:
    """So many steps from here on."""

    __slots__ = ("_last", "_work")

    def __init__(self, work: Work, steps: int) -> None:
        self._work = work
        self._last = work.steps + steps

    @property
    def is_spent(self) -> bool:
        return self._work.steps >= self._last

    def affords(self, steps: int) -> bool:
        """Whether so many further steps are within it."""
        return self._work.steps + steps <= self._last
