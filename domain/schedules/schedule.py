"""When a job fires, as it is stored: the union of specs, less what is excluded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date as Day  # noqa: N812 (a field is called `date`)
from datetime import datetime, timedelta
from functools import cached_property

import msgspec

from domain.errors import Invalid
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.clocks.zones import zone_of
from domain.schedules.kinds import Spec, kind_of
from domain.schedules.kinds.kind import Kind
from domain.schedules.kinds.work import Work

MAX_SPECS = 20
MAX_EXCLUSIONS = 100


class Exclusion(Spec, frozen=True, kw_only=True, omit_defaults=True):
    """What is not to fire: a spec's instants, a local day, days from one to another, a calendar.

    Attributes:
        start: The first of a range of local days.
        end: The last of them.
        calendar: Name of a calendar of the service.
    """

    date: Day | None = None
    start: Day | None = None
    end: Day | None = None
    calendar: str | None = None


# With a __dict__, for what is worked out once.
class Schedule(Spec, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """The instants at which a job fires: one spec inline, or several in `specs`.

    Attributes:
        accepted_at: When the service handed the schedule in, in UTC.
        counted_from: When its runs began to count towards `max_runs`, if that is not `accepted_at`.
        seed: What `H` in cron expressions and the jitter are a hash of: the job.
        timezone: IANA name of the zone in which `cron`, `rrule` and days are read.
        start_at: Nothing fires before it.
        end_at: Nothing fires after it.
        max_runs: How often the job fires in all.
        jitter: A run starts up to so long after its fire time, by a hash of job and fire time.
        gap: What becomes of fixed hours that a change of clocks leaves out.
        fold: In which pass fixed hours fire that a change of clocks repeats.
    """

    accepted_at: datetime
    counted_from: datetime | None = None
    specs: tuple[Spec, ...] = ()
    seed: str = ""
    timezone: str = "UTC"
    exclude: tuple[Exclusion, ...] = ()
    start_at: datetime | None = None
    end_at: datetime | None = None
    max_runs: int | None = None
    jitter: timedelta = timedelta(0)
    gap: Gap = Gap.RUN_AFTER
    fold: Fold = Fold.FIRST

    @property
    def parts(self) -> tuple[Spec, ...]:
        """The specs, wherever they stand."""
        return self.specs or (self,)

    @property
    def kinds(self) -> list[Kind]:
        """What the specs are."""
        return [kind for spec in self.parts if (kind := kind_of(spec)) is not None]

    @property
    def calendars(self) -> tuple[str, ...]:
        """Names of the calendars that the schedule looks into."""
        return tuple(one.calendar for one in self.exclude if one.calendar is not None)

    @cached_property
    def work(self) -> Work:
        """What reckoning with it has cost so far."""
        return Work()


def utc_offset(schedule: Schedule, instant: datetime) -> int:
    """By how much clocks in the schedule's zone differ from UTC, in seconds."""
    if schedule.timezone == "UTC":
        return 0
    offset = instant.astimezone(zone_of(schedule.timezone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def with_calendars(schedule: Schedule, calendars: Mapping[str, tuple[Exclusion, ...]]) -> Schedule:
    """The schedule with what its calendars hold in place of their names.

    Raises:
        Invalid: With a pointer to the name of a calendar that the service does not have.
    """
    if not schedule.calendars:
        return schedule
    exclude: list[Exclusion] = []
    for number, exclusion in enumerate(schedule.exclude):
        if exclusion.calendar is None:
            exclude.append(exclusion)
        elif exclusion.calendar in calendars:
            exclude += calendars[exclusion.calendar]
        else:
            raise Invalid(
                f"There is no calendar {exclusion.calendar!r}; make it with PUT /calendars.",
                f"/exclude/{number}/calendar",
            )
    return msgspec.structs.replace(schedule, exclude=tuple(exclude))
