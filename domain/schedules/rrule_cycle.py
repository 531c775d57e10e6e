"""Days that come again: those that the interval of a recurrence rule does not skip."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from domain.schedules.rrule_clock import DAY, Clock
from domain.schedules.rrule_parts import Frequency, Parts

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


def cycle_of(parts: Parts, clock: Clock) -> Cycle | None:
    """The days that count for a rule's interval; None when it skips none, or months or years."""
    if parts.interval == 1 or parts.frequency < Frequency.WEEKLY:
        return None
    if parts.frequency > Frequency.DAILY:
        return _of_clock(clock)
    width = 7 if parts.frequency is Frequency.WEEKLY else 1
    length, start = width * parts.interval, parts.dtstart.toordinal()
    first = start - (start - 1 - parts.week_start) % width
    bits = (1 << width) - 1 << first % length
    return _cycle(length, bits | bits >> length)


def _of_clock(clock: Clock) -> Cycle | None:
    phases = clock.reachable[0]
    if all(phases):
        return None
    interval, units = clock.interval, DAY // clock.unit
    length = interval // gcd(interval, units)
    # The phase falls from day to day, so the last day of a round comes first; as a number does.
    steps = range(clock.origin - (length - 1) * units, clock.origin + 1, units)
    digits = bytes([49 if phases[step % interval] else 48 for step in steps])
    return _cycle(length, int(digits, 2))


def _cycle(length: int, bits: int) -> Cycle:
    bits &= (1 << length) - 1
    covered, wanted = length, length + _YEAR
    while covered < wanted:
        bits |= bits << covered
        covered *= 2
    return Cycle(length, bits & (1 << wanted) - 1)
