"""Clocks around the instants at which they were changed, read one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from domain.schedules.clocks.wall_clock import Fold, Gap
from tests.domain.schedules.cron_oracle import Cron

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

# Zones, and years in which their clocks changed (or, in some, did not).
YEARS = {
    "UTC": (2026, 2026),
    "Asia/Kathmandu": (1985, 1986),  # from +05:30 to +05:45
    "Europe/London": (2026, 2027),
    "Europe/Dublin": (2026, 2026),  # winter time is the one that saves daylight
    "America/New_York": (2026, 2027),
    "America/St_Johns": (2010, 2011),  # at one minute past midnight
    "America/Sao_Paulo": (2017, 2019),  # at midnight
    "America/Caracas": (2007, 2016),  # half an hour back, and forward again
    "Africa/Cairo": (2023, 2026),  # at midnight
    "Africa/Casablanca": (2025, 2026),  # around Ramadan
    "Asia/Tehran": (2021, 2022),  # at midnight
    "Asia/Pyongyang": (2015, 2018),
    "Asia/Gaza": (2040, 2040),  # twice within a week
    "Australia/Lord_Howe": (2026, 2026),  # by half an hour
    "Antarctica/Troll": (2026, 2026),  # by two hours
    "Antarctica/Casey": (2018, 2020),  # by three hours
    "Pacific/Apia": (2010, 2012),  # and a day that never was
    "Africa/Monrovia": (1971, 1972),  # from -00:44:30
    "Europe/Paris": (2060, 2060),  # by rule, beyond all tables
}


def offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    """How far a clock there is ahead of UTC."""
    found = instant.astimezone(zone).utcoffset()
    assert found is not None
    return found


@lru_cache
def changes(name: str) -> list[datetime]:
    """The instants at which a zone's clocks changed in its years; one ordinary one if none did."""
    zone, (first, last) = ZoneInfo(name), YEARS[name]
    found = list(
        _changes(zone, datetime(first, 1, 1, tzinfo=UTC), datetime(last + 1, 1, 1, tzinfo=UTC))
    )
    return found or [datetime(last, 2, 28, 23, tzinfo=UTC)]


def _changes(
    zone: ZoneInfo, start: datetime, end: datetime, steps: tuple[timedelta, ...] = ()
) -> Iterator[datetime]:
    step, *finer = steps or (12 * HOUR, timedelta(minutes=10), SECOND)
    while start < end:
        if offset(zone, start) != offset(zone, start + step):
            if finer:
                yield from _changes(zone, start, start + step, tuple(finer))
            else:
                yield start + step
        start += step


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What a clock shows, in order, at each step from one instant to another."""

    zone: ZoneInfo
    first: datetime
    last: datetime
    step: timedelta

    @cached_property
    def shown(self) -> list[tuple[datetime, datetime]]:
        """Instants, each with its wall time."""
        count = (self.last - self.first) // self.step + 1
        instants = [self.first + n * self.step for n in range(count)]
        return [(one, one.astimezone(self.zone).replace(tzinfo=None)) for one in instants]

    @cached_property
    def instants_of(self) -> dict[datetime, list[datetime]]:
        """Wall times, each with the instants at which the clock shows it."""
        instants: dict[datetime, list[datetime]] = defaultdict(list)
        for instant, wall in self.shown:
            instants[wall].append(instant)
        return instants

    @cached_property
    def whole_walls(self) -> list[datetime]:
        """Every wall time, the skipped ones too."""
        wall, last = self.shown[0][1], self.shown[-1][1]
        walls = []
        while wall <= last:
            walls.append(wall)
            wall += self.step
        return walls

    def elapsed_times(self, cron: Cron) -> list[datetime]:
        """Each instant at which the clock shows what the expression names."""
        return [instant for instant, wall in self.shown if cron.names(wall)]

    def fixed_times(self, cron: Cron, gap: Gap, fold: Fold) -> list[datetime]:
        """Each named wall time once, by the rules for what is skipped or repeated."""
        found: set[datetime] = set()
        for wall in filter(cron.names, self.whole_walls):
            instants = self.instants_of.get(wall, [])
            if not instants:
                if gap is Gap.RUN_AFTER:
                    found.add(next(instant for instant, shown in self.shown if shown > wall))
            elif fold is Fold.FIRST:
                found.add(instants[0])
            elif fold is Fold.SECOND:
                found.add(instants[-1])
            else:
                found.update(instants)
        return sorted(found)


@lru_cache(maxsize=64)
def readings(name: str, change: datetime, around: timedelta, step: timedelta) -> Readings:
    """A zone's clock around a change, with room for what the change moves."""
    zone = ZoneInfo(name)
    moved = abs(offset(zone, change) - offset(zone, change - SECOND))
    room = around + moved + timedelta(minutes=1)
    return Readings(zone=zone, first=change - room, last=change + room, step=step)
