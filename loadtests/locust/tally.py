"""What simulated clients met with, second by second; tallies of several machines add up."""

from collections import Counter
from collections.abc import Iterable

import msgspec


class Second(msgspec.Struct):
    """The requests that were answered, or that failed, within one second."""

    answered: dict[int, int] = {}
    """How many took so many milliseconds."""
    failed: int = 0

    def add(self, other: "Second") -> None:
        """Add what another counted in the same second."""
        self.answered = dict(Counter(self.answered) + Counter(other.answered))
        self.failed += other.failed


class Tally(msgspec.Struct):
    """All seconds, by seconds since 1970, and the ids of all runs that were triggered."""

    seconds: dict[int, Second] = {}
    triggered: list[str] = []

    def answered(self, at: float, milliseconds: float) -> None:
        """Count an answer."""
        answered = self._second(at).answered
        rounded = round(milliseconds)
        answered[rounded] = answered.get(rounded, 0) + 1

    def failed(self, at: float) -> None:
        """Count a request that was not answered as it should be."""
        self._second(at).failed += 1

    def add(self, other: "Tally") -> None:
        """Add what another counted."""
        for at, second in other.seconds.items():
            self._second(at).add(second)
        self.triggered += other.triggered

    def take(self) -> "Tally":
        """All that was counted so far, which is forgotten here."""
        taken = Tally(self.seconds, self.triggered)
        self.seconds, self.triggered = {}, []
        return taken

    @property
    def failures(self) -> int:
        """Requests that failed, in all."""
        return sum(second.failed for second in self.seconds.values())

    def _second(self, at: float) -> Second:
        return self.seconds.setdefault(int(at), Second())


def together(seconds: Iterable[Second]) -> Second:
    """Several seconds as one."""
    sum_of_all = Second()
    for second in seconds:
        sum_of_all.add(second)
    return sum_of_all
