"""Whether a schedule excludes an instant, and how far what excludes it reaches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from datetime import date as Day  # noqa: N812 (a field is called `date`)
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from domain.ids import EPOCH
from domain.schedules.cron import Cron, parse_cron, run_from
from domain.schedules.moved import Moved
from domain.schedules.rrule import Rrule, parse_rrule
from domain.schedules.rrule_end import last_instant, next_of, unbounded
from domain.schedules.wall_clock import Gap, WallPattern, skipped_before
from domain.schedules.zones import zone_of

if TYPE_CHECKING:  # schedules look in here
    from domain.schedules.schedule import Exclusion, Schedule

# What it costs to ask, compared with a cron expression.
_WORK_OF_DAYS = 2
_WORK_OF_RULE = 2
_WORK_OF_POSITIONS = 10
_WORK_OF_READING = 10
_RANGES_LIKE_A_CRON = 20
_TICK = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_LAST = datetime.max.replace(tzinfo=UTC)

# Of an instant and its local time: None, or an instant up to which all is excluded.
Rule = Callable[[datetime, datetime], datetime | None]


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
        self._rules: list[tuple[int, Rule]] = []
        self._names: list[Callable[[datetime], bool]] = [self._on_excluded_day]
        self._moved = Moved(schedule, self._names)
        for one in schedule.exclude:
            self._add(one, schedule)
        self._weight_of_days = _WORK_OF_DAYS + len(self._ranges) // _RANGES_LIKE_A_CRON
        self.weight = self._weight_of_days + sum(work for work, _ in self._rules)
        self._work.steps += _WORK_OF_READING * len(self._rules)

    def _add(self, one: Exclusion, schedule: Schedule) -> None:
        if one.date is not None:
            self._dates.add(one.date)
        elif one.start is not None and one.end is not None:
            self._ranges.append((one.start, one.end))
        elif one.at is not None:
            self._instants.add(one.at)
        elif one.every is not None:
            self._rules.append((1, partial(_of_interval, one.every, one.phase)))
        elif one.cron is not None:
            pattern = parse_cron(one.cron, seed=schedule.seed)
            tells_seconds = len(one.cron.split()) > 5
            self._rules.append((1, partial(_of_cron, pattern, tells_seconds)))
            self._names.append(partial(_cron_names, pattern, tells_seconds))
        elif one.rrule is not None:
            self._add_rule(parse_rrule(one.rrule), schedule)

    def _add_rule(self, rule: Rrule, schedule: Schedule) -> None:
        zone = self._zone if rule.timezone is None else zone_of(rule.timezone)
        pattern, last = unbounded(rule, zone), last_instant(rule, zone, schedule.gap, schedule.fold)
        rule_work = _WORK_OF_POSITIONS if rule.positions else _WORK_OF_RULE
        if zone is self._zone:
            self._rules.append((rule_work, partial(_of_rule, pattern, last)))
            self._names.append(partial(_rule_names, pattern))
        else:
            self._rules.append((rule_work, partial(_of_rule_elsewhere, rule, zone, schedule, last)))

    def until(self, instant: datetime) -> datetime | None:
        """None when the instant may fire, else an instant up to which all named is excluded."""
        try:
            local = instant.astimezone(self._zone)
        except OverflowError:
            return None  # in the last hours of the year 9999 there is no local time to exclude
        day = local.date()
        self._work.steps += self._weight_of_days
        if day in self._dates:
            return _before_midnight_after(self._last_on_end(day), local)
        for start, end in self._ranges:
            if start <= day <= end:
                return _before_midnight_after(end, local)
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
        for work, rule in self._rules:
            self._work.steps += work
            until = rule(instant, local)
            if until is not None:
                return until
        return None


def _of_interval(
    every: timedelta, phase: timedelta, instant: datetime, _local: datetime
) -> datetime | None:
    return None if (instant - EPOCH - phase) % every else instant


def _of_rule(
    pattern: WallPattern, last: datetime, instant: datetime, local: datetime
) -> datetime | None:
    return instant if instant <= last and pattern.names(local.replace(tzinfo=None)) else None


def _of_rule_elsewhere(
    rule: Rrule,
    zone: ZoneInfo,
    schedule: Schedule,
    last: datetime,
    instant: datetime,
    _local: datetime,
) -> datetime | None:
    """Of a rule with a zone of its own: what its clocks skip, it names where the gap ends."""
    local = instant.astimezone(zone)
    if _of_rule(unbounded(rule, zone), last, instant, local):
        return instant
    if schedule.gap is not Gap.RUN_AFTER or not skipped_before(local):
        return None
    named = next_of(rule, zone, after=instant - _TICK, gap=schedule.gap, fold=schedule.fold)
    return instant if named == instant else None


def _rule_names(pattern: WallPattern, wall: datetime) -> bool:
    return pattern.names(wall)


def _cron_names(pattern: Cron, tells_seconds: bool, wall: datetime) -> bool:
    """As far as the expression tells: without a field for seconds, the whole minute."""
    return pattern.names(wall.replace(second=wall.second if tells_seconds else 0, microsecond=0))


def _of_cron(
    pattern: Cron,
    tells_seconds: bool,
    instant: datetime,
    local: datetime,
) -> datetime | None:
    """To the end of the seconds, minutes, hours or days on end that are excluded as a whole."""
    # As far as the expression tells: without a field for seconds, the whole minute.
    shown = local.replace(
        second=local.second if tells_seconds else 0, microsecond=0, tzinfo=None, fold=0
    )
    if not pattern.names(shown):
        return None
    if tells_seconds and len(pattern.seconds) < 60:
        last = shown.replace(second=run_from(pattern.seconds, shown.second))
    elif len(pattern.minutes) < 60:
        last = shown.replace(minute=run_from(pattern.minutes, shown.minute), second=59)
    elif len(pattern.hours) < 24:
        last = shown.replace(hour=run_from(pattern.hours, shown.hour), minute=59, second=59)
    else:
        return _before_midnight_after(pattern.last_day_from(shown), local)
    return _later(instant, last + _SECOND - _TICK - local.replace(tzinfo=None), local)


def _later(instant: datetime, left: timedelta, local: datetime) -> datetime:
    """So much later, or at the end of the hour or the minute if clocks change meanwhile."""
    for span in (left, left % timedelta(hours=1), left % timedelta(minutes=1)):
        try:
            if (instant + span).astimezone(local.tzinfo).utcoffset() == local.utcoffset():
                return instant + span
        except OverflowError:
            pass
    return instant


def _before_midnight_after(day: Day, local: datetime) -> datetime:
    evening = datetime.combine(local.date(), datetime.min.time(), local.tzinfo) - _TICK
    if not local.fold and _comes_twice(local) and _comes_twice(evening):
        return local.astimezone(UTC)  # clocks are about to go back to the day before
    try:
        midnight = datetime.combine(day + _DAY, datetime.min.time(), local.tzinfo)
        # Where clocks go back over midnight the day ends twice: the end is meant that comes next.
        end = midnight.replace(fold=local.fold).astimezone(UTC) - _TICK
        return max(end, local.astimezone(UTC))
    except OverflowError:
        return _LAST


def _comes_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
