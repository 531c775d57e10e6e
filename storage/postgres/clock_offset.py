"""How far this process's clock is from the primary's, by which all processes are judged.

A process whose clock is further off than `MOST_OFFSET` claims, takes, rescues and drops nothing
(docs/explain/clocks.md).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

log = structlog.get_logger()
OFFSET = Gauge(
    "tocsin_clock_offset_seconds",
    "How far the clock of a process is ahead of the primary's; behind, if negative.",
    multiprocess_mode="mostrecent",
)

MOST_OFFSET = timedelta(seconds=1)
TRUSTED_SECONDS = 6.0
"""A measure is good for so long: a process that beats no more is taken for dead then, too."""
DRIFT = 0.001
"""A clock gains or loses less than this part of what passes; it is more when it is stepped."""


class Moment(NamedTuple):
    """What the two clocks of a process show at once: the one may be stepped, the other never is."""

    wall: datetime
    monotonic: float


def read_clocks() -> Moment:
    """The moment that it is."""
    return Moment(datetime.now(UTC), time.monotonic())


class ClockAhead(Exception):
    """A command comes from a process whose clock is ahead of the primary's."""


def refuse_if_ahead(now: datetime, database_now: datetime, most: timedelta) -> None:
    """Stop a command before it decides on what is still to come.

    That it comes late says nothing of its clock: it may have waited for a connection.

    Raises:
        ClockAhead: When it says to come from later than it can.
    """
    if now - database_now > most:
        ahead = (now - database_now).total_seconds()
        raise ClockAhead(f"The clock of this process is {ahead:.1f} s ahead of the primary's.")


class _Measure(NamedTuple):
    at: Moment
    offset: float
    doubt: float

    def stepped(self, at: Moment) -> float:
        """By how much the wall clock was set since."""
        return (at.wall - self.at.wall).total_seconds() - (at.monotonic - self.at.monotonic)


class ClockOffset:
    """What a process knows of its clock; where nobody measures, any clock will do."""

    def __init__(self) -> None:
        self._measure: _Measure | None = None
        self._was_wrong = False

    @property
    def milliseconds(self) -> int | None:
        """How far it is ahead, as measured last."""
        return None if self._measure is None else round(self._measure.offset * 1_000)

    def measured(self, asked: Moment, database_now: datetime, answered: Moment) -> None:
        """The primary said what its clock shows, at some instant between the two moments."""
        doubt = (answered.monotonic - asked.monotonic) / 2
        offset = (answered.wall - database_now).total_seconds() - doubt
        self._measure = self._better(_Measure(answered, offset, doubt))
        OFFSET.set(self._measure.offset)
        wrong = self.wrong(answered)
        if wrong and not self._was_wrong:
            log.error("clock.wrong", clock=wrong)
        elif self._was_wrong and not wrong:
            log.info("clock.right_again", offset_seconds=round(self._measure.offset, 3))
        self._was_wrong = wrong is not None

    def _better(self, new: _Measure) -> _Measure:
        """The last measure, carried on, where a slow answer agrees with it and tells less."""
        last = self._measure
        if last is None:
            return new
        elapsed, stepped = new.at.monotonic - last.at.monotonic, last.stepped(new.at)
        carried = _Measure(new.at, last.offset + stepped, last.doubt + DRIFT * elapsed)
        agrees = abs(carried.offset - new.offset) <= carried.doubt + new.doubt
        trusted = elapsed <= TRUSTED_SECONDS and abs(stepped) <= MOST_OFFSET.total_seconds()
        return carried if trusted and agrees and carried.doubt < new.doubt else new

    def wrong(self, at: Moment) -> str | None:
        """What is surely wrong with the clock, in words."""
        if self._measure is None:
            return None
        most, stepped = MOST_OFFSET.total_seconds(), self._measure.stepped(at)
        if abs(stepped) > most:
            return f"was set {_seconds(stepped)} since it was measured last"
        offset = self._measure.offset + stepped
        if abs(offset) - self._measure.doubt > most:
            return f"is {_seconds(offset)} of the primary's; {most:g} s are allowed"
        return None

    def trouble(self, at: Moment) -> str | None:
        """Why the process may not act by its clock, in words; also when too little is known."""
        if self._measure is None:
            return None
        age = at.monotonic - self._measure.at.monotonic
        if age > TRUSTED_SECONDS:
            return f"was measured {age:.0f} s ago; {TRUSTED_SECONDS:g} s are allowed"
        if self._measure.doubt > MOST_OFFSET.total_seconds():
            return f"is not known: the primary took {2 * self._measure.doubt:.1f} s to answer"
        return self.wrong(at)


def compared(asked: Moment, theirs: datetime, answered: Moment) -> str | None:
    """What is surely wrong between this process's clock and that of another server, in words."""
    doubt = (answered.monotonic - asked.monotonic) / 2
    offset = (answered.wall - theirs).total_seconds() - doubt
    is_wrong = abs(offset) - doubt > MOST_OFFSET.total_seconds()
    return f"is {_seconds(offset)} of its server's" if is_wrong else None


def _seconds(offset: float) -> str:
    return f"{abs(offset):.1f} s {'ahead' if offset > 0 else 'behind'}"
