"""Whether a schedule excludes an instant, and how far what excludes it reaches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as Day  # noqa: N812 (a field is called `date`)
from datetime import datetime, timedelta

from domain.schedules.clocks.midnights import before_midnight_after
from domain.schedules.clocks.zones import zone_of
from domain.schedules.kinds import kind_of
from domain.schedules.kinds.kind import Kind, Rule
from domain.schedules.moved import Moved
from domain.schedules.schedule import Exclusion, Schedule

# What it costs to ask, compared with a cron expression.
_WORK_OF_DAYS = 2
_WORK_OF_READING = 10
_RANGES_LIKE_A_CRON = 20
_DAY = timedelta(days=1)


def excluded_by(schedule: Schedule) -> Excluded:
    """What a schedule excludes, calendars filled in; it is sorted once."""
    found = schedule.__dict__.get("excluded")
    if not isinstance(found, Excluded):
        found = schedule.__dict__["excluded"] = Excluded(schedule)
    return found


class Excluded:
    """What a schedule excludes, sorted for many questions.

    Attributes:
        weight: What a question costs that every rule is asked.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._work = schedule.work
        self._zone = zone_of(schedule.timezone)
        self._dates: set[Day] = set()
        self._ranges: list[tuple[Day, Day]] = []
        self._instants: set[datetime] = set()
        self._rules: list[Rule] = []
        self._names: list[Callable[[datetime], bool]] = [self._on_excluded_day]
        self._moved = Moved(schedule, self._names)
        for one in schedule.exclude:
            self._add(one, schedule)
        self._weight_of_days = _WORK_OF_DAYS + len(self._ranges) // _RANGES_LIKE_A_CRON
        self.weight = self._weight_of_days + sum(rule.work for rule in self._rules)
        self._work.steps += _WORK_OF_READING * len(self._rules)

    def _add(self, one: Exclusion, schedule: Schedule) -> None:
        kind = kind_of(one)
        if kind is not None:
            self._add_kind(kind, schedule)
        elif one.date is not None:
            self._dates.add(one.date)
        elif one.start is not None and one.end is not None:
            self._ranges.append((one.start, one.end))

    def _add_kind(self, kind: Kind, schedule: Schedule) -> None:
        instant = kind.only_instant(schedule)
        if instant is not None:
            self._instants.add(instant)
            return
        rule = kind.rule(schedule)
        self._rules.append(rule)
        if rule.names_wall is not None:
            self._names.append(rule.names_wall)

    def until(self, instant: datetime) -> datetime | None:
        """None when the instant may fire, else an instant up to which all named is excluded."""
        try:
            local = instant.astimezone(self._zone)
        except OverflowError:
            return None  # in the last hours of the year 9999 there is no local time to exclude
        day = local.date()
        self._work.steps += self._weight_of_days
        if day in self._dates:
            return before_midnight_after(self._last_on_end(day), local)
        for start, end in self._ranges:
            if start <= day <= end:
                return before_midnight_after(end, local)
        if instant in self._instants:
            return instant
        until = self._by_rule(instant, local)
        return instant if until is None and self._moved.is_excluded(instant, local) else until

    def _on_excluded_day(self, wall: datetime) -> bool:
        day = wall.date()
        return day in self._dates or any(start <= day <= end for start, end in self._ranges)

    def _last_on_end(self, day: Day) -> Day:
        while day < Day.max and day + _DAY in self._dates:
            day += _DAY
        return day

    def _by_rule(self, instant: datetime, local: datetime) -> datetime | None:
        for rule in self._rules:
            self._work.steps += rule.work
            until = rule.until(instant, local)
            if until is not None:
                return until
        return None
