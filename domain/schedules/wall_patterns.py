"""The patterns of wall-clock times among a schedule's specs."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from domain.schedules.cron import parse_cron
from domain.schedules.rrule import parse_rrule
from domain.schedules.schedule import Schedule, Spec
from domain.schedules.wall_clock import WallPattern
from domain.schedules.zones import zone_of


def wall_patterns(schedule: Schedule) -> Iterator[tuple[WallPattern, ZoneInfo]]:
    """The pattern of each cron expression and recurrence rule, and the zone it is read in."""
    yield from filter(None, (pattern_of(spec, schedule) for spec in schedule.parts))


def pattern_of(spec: Spec, schedule: Schedule) -> tuple[WallPattern, ZoneInfo] | None:
    """The pattern of one of them, and its zone; None if it has none."""
    if spec.cron is not None:
        return parse_cron(spec.cron, seed=schedule.seed), zone_of(schedule.timezone)
    if spec.rrule is not None:
        rule = parse_rrule(spec.rrule)
        return rule, zone_of(rule.timezone or schedule.timezone)
    return None
