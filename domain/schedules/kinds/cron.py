"""`cron`: an expression of five to seven fields, or a macro such as `@daily`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Annotated

from msgspec import Meta, UnsetType

from domain.errors import within
from domain.schedules.clocks.zones import zone_of
from domain.schedules.cron.excluding import excluded_until
from domain.schedules.cron.expression import MACROS, Cron, parse_cron
from domain.schedules.cron.fields import seed_for
from domain.schedules.cron.warnings import cron_warnings
from domain.schedules.cron.words import cron_in_words, fields_of
from domain.schedules.kinds.by_clock import ByClock, Placed
from domain.schedules.kinds.kind import Rule, Terms
from domain.schedules.kinds.reading import Reading

CronSent = (
    Annotated[str, Meta(min_length=1, max_length=256, examples=["0 3 * * *", "@hourly"])]
    | UnsetType
)
CronShown = str | UnsetType


class CronExpression(ByClock, frozen=True):
    """The wall-clock times that an expression names, in the schedule's zone."""

    cron: str

    def normal(self) -> object:
        text = self.cron.strip().lower()
        return "cron", tuple(MACROS.get(text, text).lower().split())

    def check(self, reading: Reading) -> None:
        with within("/cron"):
            parse_cron(self.cron)
            reading.add(self.cron)

    def placed(self, timezone: str, seed: str) -> Placed:
        return Placed(parse_cron(self.cron, seed=seed), zone_of(timezone))

    def spread_by(self, seed: str) -> str:
        return seed_for(self.cron.upper(), seed)

    def rule(self, terms: Terms) -> Rule:
        pattern = parse_cron(self.cron, seed=terms.seed)
        tells_seconds = len(self.cron.split()) > 5
        return Rule(
            1,
            partial(excluded_until, pattern, tells_seconds),
            partial(_names_wall, pattern, tells_seconds),
        )

    def in_words(self, terms: Terms) -> str:
        return cron_in_words(self.cron, terms.seed) + self._zone_in_words(terms.timezone)

    def excluded_in_words(self, terms: Terms) -> str:
        words = cron_in_words(self.cron, terms.seed)
        # A rule that excludes every minute of a day excludes the day.
        return words.removeprefix("every minute, ").removeprefix("only ")

    def warnings(self, terms: Terms) -> Iterator[str]:
        return cron_warnings(self.cron, terms.seed, has_jitter=bool(terms.jitter))

    def _zone_in_words(self, timezone: str) -> str:
        """Where the clock hangs, unless each hour of UTC is alike."""
        in_zone = f", in {timezone}"
        try:
            fields = fields_of(self.cron)
        except TypeError:  # not an expression at all
            return in_zone
        open_fields = {fields.hour, fields.date, fields.month, fields.weekday, fields.year}
        return "" if timezone == "UTC" and open_fields <= {"*", "?"} else in_zone


def _names_wall(pattern: Cron, tells_seconds: bool, wall: datetime) -> bool:
    """As far as the expression tells: without a field for seconds, the whole minute."""
    return pattern.names(wall.replace(second=wall.second if tells_seconds else 0, microsecond=0))
