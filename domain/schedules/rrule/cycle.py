"""Days that come again: those that the interval of a recurrence rule does not skip."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from domain.schedules.rrule.parts import Frequency, Parts

_YEAR = 366


class Cycle(NamedTuple):
    """Attributes:
    length: After so many days it begins again.
    bits: One a day from ordinal 0 on, enough for a year from any day of the first round.
    """

    length: int
    bits: int

    def from_day(self, ordinal: int) -> int:
        """One bit a day from this one on, for a year at least."""
        return self.bits >> ordinal % self.length


def cycle_of(parts: Parts) -> Cycle | None:
    """The days that the interval of a daily or weekly rule does not skip; None for others."""
    if parts.interval == 1 or parts.frequency not in {Frequency.WEEKLY, Frequency.DAILY}:
        return None
    width = 7 if parts.frequency is Frequency.WEEKLY else 1
    length, start = width * parts.interval, parts.dtstart.toordinal()
    first = start - (start - 1 - parts.week_start) % width
    bits = (1 << width) - 1 << first % length
    return _cycle(length, bits | bits >> length)


def cycle_of_phases(phases: bytes, origin: int, step: int) -> Cycle | None:
    """The days with a phase that counts; None if each counts.

    Args:
        phases: Of each phase whether it counts; there are as many as the interval is long.
        origin: The phase of the day of ordinal 0.
        step: By so much the phase falls from day to day.
    """
    if all(phases):
        return None
    interval = len(phases)
    length = interval // gcd(interval, step)
    # The last day of a round comes first, as in a number.
    falling = range(origin - (length - 1) * step, origin + 1, step)
    return _cycle(length, int(bytes([49 if phases[at % interval] else 48 for at in falling]), 2))


def _cycle(length: int, bits: int) -> Cycle:
    bits &= (1 << length) - 1
    covered, wanted = length, length + _YEAR
    while covered < wanted:
        bits |= bits << covered
        covered *= 2
    return Cycle(length, bits & (1 << wanted) - 1)
