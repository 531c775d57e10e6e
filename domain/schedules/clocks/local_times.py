"""Instants that clients write as local times, where clocks may skip or repeat them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from domain.durations import instant_of
from domain.errors import Invalid
from domain.schedules.clocks.wall_clock import Fold, Gap, instants_of
from domain.schedules.words import day_in_words, time_in_words

_TICK = timedelta(microseconds=1)


class LocalTimes(NamedTuple):
    """How a body's local times are read; what has an offset is an instant by itself."""

    zone: ZoneInfo
    gap: Gap
    fold: Fold

    def instants(self, value: datetime, pointer: str) -> list[datetime]:
        """The instants at which something happens at this time: two, if it is in both passes.

        Raises:
            Invalid: When clocks skip it and so does `gap`, or it is out of range.
        """
        if value.tzinfo is not None:
            return [instant_of(value, pointer)]
        found = self._instants(value, pointer, self.gap)
        if not found:
            raise Invalid(
                f"Clocks in {self.zone.key} skip {time_in_words(value)} on {day_in_words(value)}, "
                "and `gap` is `skip`: it never comes. Choose another time, or give an offset.",
                pointer,
            )
        return found

    def start(self, value: datetime, pointer: str) -> datetime:
        """The first instant that does not come before this time.

        Raises:
            Invalid: When it is out of range.
        """
        if value.tzinfo is not None:
            return instant_of(value, pointer)
        return min(self._instants(value, pointer, Gap.RUN_AFTER))

    def end(self, value: datetime, pointer: str) -> datetime:
        """The last instant that does not come after this time, in the pass that `fold` says.

        Raises:
            Invalid: When it is out of range.
        """
        if value.tzinfo is not None:
            return instant_of(value, pointer)
        found = max(self._instants(value, pointer, Gap.RUN_AFTER))
        # What is due in a gap may run where that ends, which is not behind the end.
        return found if self._instants(value, pointer, self.gap) else found - _TICK

    def _instants(self, value: datetime, pointer: str, gap: Gap) -> list[datetime]:
        try:
            found = instants_of(value, self.zone, gap=gap, fold=self.fold)
        except (OverflowError, ValueError):
            raise Invalid("The instant is out of range.", pointer) from None
        return [instant_of(one, pointer) for one in found]
