"""`rrule`: DTSTART and RRULE of RFC 5545."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Annotated

from msgspec import Meta, UnsetType

from domain.errors import Invalid, within
from domain.schedules.clocks.wall_clock import Gap, WallPattern, skipped_before
from domain.schedules.clocks.zones import is_zone, zone_of
from domain.schedules.kinds.by_clock import ByClock, Placed
from domain.schedules.kinds.kind import Rule, Terms
from domain.schedules.kinds.reading import Reading
from domain.schedules.rrule.end import last_instant, unbounded
from domain.schedules.rrule.rule import Rrule, parse_rrule
from domain.schedules.rrule.words import rrule_in_words

RruleSent = (
    Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1_000,
            examples=["DTSTART:20261124T090000\nRRULE:FREQ=WEEKLY;BYDAY=TU"],
        ),
    ]
    | UnsetType
)
RruleShown = str | UnsetType

# What it costs to ask, compared with a cron expression.
_WORK_OF_RULE = 2
_WORK_OF_POSITIONS = 10


class RecurrenceRule(ByClock, frozen=True):
    """The wall-clock times of a rule, in its own zone or the schedule's."""

    rrule: str

    def normal(self) -> object:
        lines = self.rrule.upper().splitlines()
        return "rrule", frozenset(frozenset(re.split("[:;]", line.strip())) for line in lines)

    def check(self, reading: Reading) -> None:
        with within("/rrule"):
            rule = parse_rrule(self.rrule)
            if rule.timezone is not None and not is_zone(rule.timezone):
                raise Invalid(f"{rule.timezone!r} is no IANA time zone, such as 'Europe/London'.")
            reading.add(self.rrule, rule.weight)

    def placed(self, timezone: str, seed: str) -> Placed:
        rule = parse_rrule(self.rrule)
        return Placed(rule, zone_of(rule.timezone or timezone))

    def rule(self, terms: Terms) -> Rule:
        rule = parse_rrule(self.rrule)
        zone = zone_of(rule.timezone or terms.timezone)
        pattern, last = unbounded(rule, zone), last_instant(rule, zone, terms.gap, terms.fold)
        work = _WORK_OF_POSITIONS if rule.positions else _WORK_OF_RULE
        if zone is zone_of(terms.timezone):
            return Rule(work, partial(_until, pattern, last), partial(_names_wall, pattern))
        return Rule(work, partial(self._until_elsewhere, rule, last, terms))

    def in_words(self, terms: Terms) -> str:
        return rrule_in_words(self.rrule, terms.timezone)

    @property
    def names_zone(self) -> bool:
        return "TZID" in self.rrule.upper()

    @property
    def is_costly(self) -> bool:
        return "COUNT" in self.rrule.upper()

    def _until_elsewhere(
        self, rule: Rrule, last: datetime, terms: Terms, instant: datetime, _local: datetime
    ) -> datetime | None:
        """Of a rule with a zone of its own: what its clocks skip, it names where the gap ends."""
        zone = zone_of(rule.timezone or terms.timezone)
        local = instant.astimezone(zone)
        if _until(unbounded(rule, zone), last, instant, local):
            return instant
        if terms.gap is not Gap.RUN_AFTER or not skipped_before(local):
            return None
        return instant if self.names(terms, instant) else None


def _until(
    pattern: WallPattern, last: datetime, instant: datetime, local: datetime
) -> datetime | None:
    return instant if instant <= last and pattern.names(local.replace(tzinfo=None)) else None


def _names_wall(pattern: WallPattern, wall: datetime) -> bool:
    return pattern.names(wall)
