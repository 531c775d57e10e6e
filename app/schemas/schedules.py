"""Schedules as clients send them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date as Day  # noqa: N812 (a field is called `date`)
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domain.durations import Duration, Instant, duration_of
from domain.errors import Gathering, Invalid
from domain.schedules.clocks.local_times import LocalTimes
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.clocks.zones import zone
from domain.schedules.kinds import (
    BY_NAME,
    EXACTLY_ONE,
    EXCLUDING_NAMES,
    FIELDS,
    NAMES,
    SentSpec,
    Spec,
)
from domain.schedules.schedule import (
    MAX_EXCLUSIONS,
    MAX_SPECS,
    Exclusion,
    Schedule,
)
from domain.schedules.words import listed

Timezone = Annotated[str, Meta(min_length=1, max_length=64, examples=["Europe/London"])]
# Not just `$`, which Python also matches before a last line feed.
CALENDAR_NAME = r"^[A-Za-z0-9._-]{1,64}(?!\n)$"
CalendarName = Annotated[str, Meta(pattern=CALENDAR_NAME, examples=["holidays"])]


class SpecBody(SentSpec, frozen=True, kw_only=True, forbid_unknown_fields=True):
    __doc__ = f"Instants: {EXACTLY_ONE}."

    def fields(self, times: LocalTimes) -> list[dict[str, Any]]:
        """What was sent, as specs have it: a local `at` may come twice.

        Raises:
            Invalid: With a pointer into this body.
        """
        found: list[dict[str, Any]] = [{}]
        for kind, names in FIELDS.items():
            sent = {name: one for name in names if (one := getattr(self, name)) is not UNSET}
            if kind in sent:
                found = BY_NAME[kind].read(sent, times)
            elif sent:
                name = next(iter(sent))
                raise Invalid(f"A {name} goes with `{kind}` only.", f"/{name}")
        return found

    def given(self) -> list[str]:
        """The names of the specs that were sent."""
        return [name for name in NAMES if getattr(self, name) is not UNSET]

    def specs_of(self, times: LocalTimes) -> list[Spec]:
        """The spec, or two of one `at`.

        Raises:
            Invalid: With a pointer into this body.
        """
        if len(self.given()) != 1:
            raise Invalid(f"Give exactly one of {listed(NAMES)}.")
        return [Spec(**fields) for fields in self.fields(times)]


class ExclusionBody(SpecBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not to fire: one spec, a `date`, days `from` … `to`, or a `calendar` by name."""

    date: Day | UnsetType = UNSET
    start: Day | UnsetType = msgspec.field(default=UNSET, name="from")
    end: Day | UnsetType = msgspec.field(default=UNSET, name="to")
    calendar: CalendarName | UnsetType = UNSET

    def exclusions(self, times: LocalTimes) -> list[Exclusion]:
        """The exclusion, or two of one `at`.

        Raises:
            Invalid: With a pointer into this body.
        """
        kinds = self.given()
        days = {
            name: value
            for name in ("date", "start", "end", "calendar")
            if (value := getattr(self, name)) is not UNSET
        }
        if ("start" in days) != ("end" in days):
            raise Invalid("Give both `from` and `to`.")
        if len(kinds) + len(days) - ("end" in days) != 1:
            others = ("date", "from and to", "calendar", *EXCLUDING_NAMES)
            raise Invalid(f"Give exactly one of {listed(others)}.")
        return [Exclusion(**fields, **days) for fields in self.fields(times)]


Exclusions = Annotated[list[ExclusionBody], Meta(max_length=MAX_EXCLUSIONS)]


class ScheduleBody(SpecBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to fire: one spec inline, or several in `specs`; minus what `exclude` names."""

    specs: Annotated[list[SpecBody], Meta(min_length=1, max_length=MAX_SPECS)] | UnsetType = UNSET
    timezone: Timezone = "UTC"
    exclude: Exclusions = []  # noqa: RUF012 (msgspec copies it)
    start_at: Instant | None = None
    end_at: Instant | None = None
    max_runs: Annotated[int, Meta(extra_json_schema={"minimum": 1})] | None = None
    jitter: Duration = "PT0S"
    gap: Gap = Gap.RUN_AFTER
    fold: Fold = Fold.FIRST

    def schedule(self, now: datetime, seed: str = "") -> Schedule:
        """The schedule, accepted at `now`.

        Args:
            seed: What `H` in cron expressions and the jitter are a hash of.

        Raises:
            Invalid: With a pointer into this body.
        """
        times = LocalTimes(zone(self.timezone), self.gap, self.fold)
        wrong = Gathering()
        with wrong.within():
            several, inline = self._several(times), self.fields(times)
            if len(inline) > 1:  # of one `at`, which clocks show twice
                several, inline = tuple(Spec(**fields) for fields in inline), [{}]
        with wrong.within():
            exclude = exclusions(self.exclude, times)
        wrong.refuse()
        return Schedule(
            accepted_at=now,
            seed=seed,
            specs=several,
            **inline[0],
            timezone=self.timezone,
            exclude=exclude,
            start_at=self.start_at and times.start(self.start_at, "/start_at"),
            end_at=self.end_at and times.end(self.end_at, "/end_at"),
            max_runs=self.max_runs,
            jitter=duration_of(self.jitter, "/jitter"),
            gap=self.gap,
            fold=self.fold,
        )

    def _several(self, times: LocalTimes) -> tuple[Spec, ...]:
        if len(self.given()) + (self.specs is not UNSET) != 1:
            raise Invalid(f"Give exactly one of {listed((*NAMES, 'specs'))}.")
        specs: list[Spec] = []
        wrong = Gathering()
        for number, body in enumerate(self.specs or ()):
            with wrong.within(f"/specs/{number}"):
                specs += body.specs_of(times)
        wrong.refuse()
        return tuple(specs)


def exclusions(bodies: Sequence[ExclusionBody], times: LocalTimes) -> tuple[Exclusion, ...]:
    """Exclusions as the domain has them.

    Raises:
        Invalid: With a pointer below `/exclude`.
    """
    found: list[Exclusion] = []
    wrong = Gathering()
    for number, body in enumerate(bodies):
        with wrong.within(f"/exclude/{number}"):
            found += body.exclusions(times)
    wrong.refuse()
    return tuple(found)
