"""The times of day that a recurrence rule allows, found without a look at each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from domain.schedules.rrule.cycle import Cycle, cycle_of_phases
from domain.schedules.rrule.parts import Frequency, Parts

DAY = 86_400
_BITS = bytes.maketrans(b"01", b"\0\1")
_UNITS = {Frequency.HOURLY: 3_600, Frequency.MINUTELY: 60, Frequency.SECONDLY: 1}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Clock:
    """Times of day as sums of one offset a level, in seconds.

    A rule that follows the clock by the hour, minute or second (its unit) skips units by its
    interval. Units are counted from midnight; the phase of a day is what the number of an allowed
    unit leaves when divided by the interval.

    Attributes:
        levels: Offsets of the hours, of the minutes in an hour, of the seconds in a minute.
        reachable: For each level below the first, of each phase whether it and those below can
            add up to it.
        unit: Seconds of the unit.
        interval: Every how many units.
        origin: Number of DTSTART's unit since the start of the calendar.
        cycle: The days whose phase can be reached; None if each can.
        never: Whether no day has such a time.
    """

    levels: tuple[tuple[int, ...], ...]
    reachable: tuple[bytes, ...]
    unit: int
    interval: int
    origin: int
    cycle: Cycle | None
    never: bool

    def first(self, ordinal: int, earliest: int) -> int | None:
        """The first second of a day that is allowed and not before `earliest`."""
        phase = (self.origin - ordinal * (DAY // self.unit)) % self.interval
        return self._descend(0, phase, earliest)

    def size(self) -> int:
        """How many times a day, with every unit."""
        return prod(map(len, self.levels))

    def _descend(self, depth: int, phase: int, earliest: int) -> int | None:
        offsets, unit, interval = self.levels[depth], self.unit, self.interval
        if depth == len(self.reachable):  # the last level
            coming = offsets[bisect_left(offsets, earliest) :]
            return next((one for one in coming if (phase - one // unit) % interval == 0), None)
        below = self.reachable[depth]
        # The last offset before `earliest` may be the hour or minute in which it lies.
        for offset in offsets[max(bisect_right(offsets, earliest) - 1, 0) :]:
            rest = (phase - offset // unit) % interval
            if below[rest]:
                found = self._descend(depth + 1, rest, earliest - offset)
                if found is not None:
                    return offset + found
        return None


def clock_of(parts: Parts) -> Clock:
    """A rule's times of day, with what it leaves out taken from DTSTART."""
    frequency, start = parts.frequency, parts.dtstart
    hours = parts.hours or _all_or(24, start.hour, every=frequency >= Frequency.HOURLY)
    minutes = parts.minutes or _all_or(60, start.minute, every=frequency >= Frequency.MINUTELY)
    seconds = parts.seconds or _all_or(60, start.second, every=frequency >= Frequency.SECONDLY)
    levels: tuple[tuple[int, ...], ...] = (
        tuple(hour * 3_600 for hour in hours),
        tuple(minute * 60 for minute in minutes),
        seconds,
    )
    if parts.positions and frequency >= Frequency.DAILY:
        # A period has the levels below its own, and only the chosen of their sums count.
        depth = frequency - Frequency.DAILY
        levels = (*levels[:depth], _chosen_sums(levels[depth:], parts.positions))
    unit = _UNITS.get(frequency, DAY)
    interval = parts.interval if frequency in _UNITS else 1
    seconds_before = start.hour * 3_600 + start.minute * 60 + start.second
    origin = (start.toordinal() * DAY + seconds_before) // unit
    phases, *reachable = _reachable(levels, unit, interval)
    return Clock(
        levels=levels,
        reachable=tuple(reachable),
        unit=unit,
        interval=interval,
        origin=origin,
        cycle=cycle_of_phases(phases, origin, DAY // unit),
        never=not all(levels),
    )


@lru_cache(maxsize=4_096)
def chosen(positions: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Indexes of the elements that BYSETPOS chooses from an ordered set of a size.

    Args:
        positions: In ascending order, the negative ones first.
        size: How many elements there are.
    """
    split = bisect_left(positions, 0)
    from_end = positions[bisect_left(positions, -size) : split]
    from_start = positions[split : bisect_right(positions, size)]
    return tuple(sorted({size + at for at in from_end} | {at - 1 for at in from_start}))


def next_chosen(positions: Sequence[int], size: int, passed: int) -> int | None:
    """The first index not below `passed` that BYSETPOS chooses from a set of a size."""
    split = bisect_left(positions, 0)
    from_start = bisect_left(positions, passed + 1, split)
    from_end = bisect_left(positions, max(passed, 0) - size, 0, split)
    found = [size + at for at in positions[from_end : min(from_end + 1, split)]]
    found += [at - 1 for at in positions[from_start : from_start + 1] if at <= size]
    return min(found, default=None)


def nth_sum(levels: Sequence[Sequence[int]], index: int) -> int:
    """The sum of one offset a level that has this index among all, in order."""
    total = 0
    for offsets in reversed(levels):
        index, at = divmod(index, len(offsets))
        total += offsets[at]
    return total


def sums_before(levels: Sequence[Sequence[int]], limit: int) -> int:
    """How many sums of one offset a level are less than a limit."""
    if not levels:
        return int(limit > 0)
    offsets, below = levels[0], levels[1:]
    # All with an earlier offset are: the levels below do not reach from one offset to the next.
    at = bisect_left(offsets, limit) - 1
    if at < 0:
        return 0
    return at * prod(map(len, below)) + sums_before(below, limit - offsets[at])


def _chosen_sums(levels: Sequence[Sequence[int]], positions: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(nth_sum(levels, at) for at in chosen(positions, prod(map(len, levels))))


def _all_or(count: int, own: int, *, every: bool) -> tuple[int, ...]:
    return tuple(range(count)) if every else (own,)


def _reachable(levels: Sequence[Sequence[int]], unit: int, interval: int) -> list[bytes]:
    masks = [1]
    for offsets in reversed(levels):
        mask = 0
        for offset in offsets:
            mask |= masks[0] << offset // unit % interval
        # Sums stay below twice the interval, so one fold brings them back.
        masks.insert(0, (mask | mask >> interval) & (1 << interval) - 1)
    return [_one_a_byte(mask, interval) for mask in masks[:-1]]


def _one_a_byte(mask: int, length: int) -> bytes:
    # Bytes are looked up in no time, while a look at one bit copies the whole number.
    return f"{mask:0{length}b}"[::-1].encode().translate(_BITS)
