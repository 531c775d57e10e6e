"""The patterns of wall-clock times among a schedule's specs."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from domain.schedules.cron import parse_cron
from domain.schedules.rrule import parse_rrule
from domain.schedules.schedule import Schedule
from domain.schedules.wall_clock import WallPattern
from domain.schedules.zones import zone_of


def wall_patterns(schedule: Schedule) -> Iterator[tuple[WallPattern, ZoneInfo]]:
    """The pattern of each cron expression and recurrence rule, and the zone it is read in."""
    for spec in schedule.parts:
        if spec.cron is not None:
            yield parse_cron(spec.cron, seed=schedule.seed), zone_of(schedule.timezone)
        elif spec.rrule is not None:
            rule = parse_rrule(spec.rrule)
            yield rule, zone_of(rule.timezone or schedule.timezone)
