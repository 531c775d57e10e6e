"""Patterns of wall-clock times, placed on the one true time line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)
# Longer than any two offsets differ, shorter than any zone took to change its offset twice.
_STRIDE = timedelta(days=2)
# What clocks skip six times on end is named for the sake of the gap, so it is never shown.
_GAPS_ON_END = 6
_STRIDES_ON_END = 4 * _GAPS_ON_END


class Gap(StrEnum):
    """What becomes of a fixed wall time that clocks skip."""

    RUN_AFTER = "run_after"
    """It fires at the first instant after the gap; several of one gap fire once."""
    SKIP = "skip"


class Fold(StrEnum):
    """Which pass of a fixed wall time counts that clocks show twice."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class WallPattern(Protocol):
    """What names instants of a wall clock, whatever its zone."""

    @property
    def elapsed(self) -> bool:
        """Whether it follows elapsed time: each instant counts at which a clock shows a name."""

    def next_wall(self, after: datetime, *, inclusive: bool = False) -> datetime | None:
        """The first naive instant, a whole second, later than `after` (or at it), or None."""

    def names(self, wall: datetime) -> bool:
        """Whether it names this naive instant."""


def next_instant(
    pattern: WallPattern, zone: ZoneInfo, *, after: datetime, gap: Gap, fold: Fold
) -> datetime | None:
    """The first instant later than `after` at which the pattern fires, in UTC, or None.

    Args:
        after: An instant in UTC.
    """
    try:
        if zone.key == "UTC":
            named = pattern.next_wall(_naive(after))
            return None if named is None else _in_utc(named)
        if pattern.elapsed:
            return _next_elapsed(pattern, zone, after)
        passes = {Fold.FIRST: (0,), Fold.SECOND: (1,), Fold.BOTH: (0, 1)}[fold]
        found = [_next_fixed(pattern, zone, after, gap, one) for one in passes]
    except OverflowError:  # at the ends of the calendar
        return None
    return min((instant for instant in found if instant is not None), default=None)


def instants_of(wall: datetime, zone: ZoneInfo, *, gap: Gap, fold: Fold) -> list[datetime]:
    """The instants that one wall time names, in UTC: none if it is skipped, two in both passes."""
    first, second = offsets_of(wall, zone)
    if first < second:
        end = _change_near(wall, (first, second), zone)
        return [end] if gap is Gap.RUN_AFTER else []
    offsets = {Fold.FIRST: (first,), Fold.SECOND: (second,), Fold.BOTH: (first, second)}[fold]
    return [_in_utc(wall - offset) for offset in dict.fromkeys(offsets)]


def skipped_before(local: datetime) -> timedelta:
    """How much of the wall time just before a local time clocks have skipped."""
    before = (local.astimezone(UTC) - _SECOND).astimezone(local.tzinfo)
    return max(_utcoffset(local) - _utcoffset(before), timedelta(0))


def note_of(
    pattern: WallPattern, instant: datetime, zone: ZoneInfo
) -> Literal["gap", "fold"] | None:
    """What is unusual about a fire time.

    Returns:
        "fold" when clocks show its wall time twice, "gap" when it stands in for wall times that
        clocks skipped.
    """
    try:
        wall = instant + _offset(instant, zone)
        shown = _naive(wall)
        first, second = offsets_of(shown, zone)
        if first > second:
            return "fold"
        skipped = _offset(instant, zone) - _offset(instant - _SECOND, zone)
    except OverflowError:  # at the ends of the calendar
        return None
    if pattern.elapsed or skipped <= timedelta(0):
        return None
    named = pattern.next_wall(shown - skipped, inclusive=True)
    stands_in = named is not None and named < shown
    return "gap" if stands_in and pattern.next_wall(shown, inclusive=True) != shown else None


def _next_elapsed(pattern: WallPattern, zone: ZoneInfo, after: datetime) -> datetime | None:
    """The first instant whose wall time the pattern names."""
    instant, inclusive = after, False
    for _ in range(_STRIDES_ON_END):
        offset = _offset(instant, zone)
        named = pattern.next_wall(_naive(instant + offset), inclusive=inclusive)
        # With no name left, a fold just ahead may still show an earlier one again.
        due = instant + _STRIDE if named is None else _in_utc(named - offset)
        change = _change(instant, min(due, instant + _STRIDE), zone)
        if change is not None:
            instant, inclusive = change, True
        elif named is None:
            return None
        elif due <= instant + _STRIDE:
            return due
        else:
            # Changes in between may be passed over: offsets differ by less than a stride, so no
            # clock comes near the name before the last stride.
            instant, inclusive = max(instant + _STRIDE, due - _STRIDE), True
    return None


def _next_fixed(
    pattern: WallPattern, zone: ZoneInfo, after: datetime, gap: Gap, which: int
) -> datetime | None:
    """The first instant that a name is given, each in its pass number `which` (0 or 1)."""
    wall, inclusive = _first_wall(zone, after, which)
    for _ in range(_GAPS_ON_END):
        named = pattern.next_wall(wall, inclusive=inclusive)
        if named is None:
            break
        offsets = offsets_of(named, zone)
        if offsets[0] >= offsets[1]:
            return _in_utc(named - offsets[which])
        end = _change_near(named, offsets, zone)
        if gap is Gap.RUN_AFTER:
            return end
        wall, inclusive = _naive(end + offsets[1]), True
    return None


def _first_wall(zone: ZoneInfo, after: datetime, which: int) -> tuple[datetime, bool]:
    """Where to begin so that all names from there on, and no earlier ones, come after `after`.

    Returns:
        A wall time, and whether it counts itself.
    """
    local = after.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    offsets = offsets_of(wall, zone)
    if offsets[0] <= offsets[1] or local.fold == which:
        return wall, False
    # In the first pass while the second counts, the fold is still to come as a whole; in the
    # second pass while the first counts, it is over.
    change = _change_near(wall, offsets, zone)
    return _naive(change + offsets[which]), True


@lru_cache(maxsize=1_024)  # both passes ask
def _change_near(wall: datetime, offsets: tuple[timedelta, timedelta], zone: ZoneInfo) -> datetime:
    """The instant of the change that skips or repeats a wall time."""
    first, last = _in_utc(wall - max(offsets)), _in_utc(wall - min(offsets))
    change = _change(first, last, zone)
    if change is None:
        raise AssertionError(f"{zone.key} has offsets {offsets} at {wall}, but no change")
    return change


def _change(start: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """The instant after `start`, up to `end`, from which the offset is another one."""
    before = _offset(start, zone)
    if _offset(end, zone) == before:
        return None
    # Clocks change on whole seconds.
    low, high = start.replace(microsecond=0), end.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + (high - low) // _SECOND // 2 * _SECOND
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return _utcoffset(instant.astimezone(zone))


def offsets_of(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """The offsets of a wall time: falling in a fold, rising in a gap, else equal."""
    local = wall.replace(tzinfo=zone)
    return _utcoffset(local), _utcoffset(local.replace(fold=1))


def _utcoffset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)  # only a naive one would have None


def _naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


def _in_utc(wall: datetime) -> datetime:
    return wall.replace(tzinfo=UTC)
