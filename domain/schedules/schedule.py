"""When a job fires: the union of its specs, minus what is excluded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from datetime import date as Day  # noqa: N812 (a field is called `date`)
from functools import cached_property
from hashlib import blake2b
from itertools import chain, islice, takewhile

import msgspec

from domain.errors import Invalid
from domain.schedules.clocks.wall_clock import Fold, Gap
from domain.schedules.clocks.zones import zone_of
from domain.schedules.exclusion import Excluded
from domain.schedules.kinds import Spec, kind_of
from domain.schedules.kinds.kind import Kind
from domain.schedules.kinds.work import Budget, Work
from domain.schedules.named import Named

MAX_SPECS = 20
MAX_EXCLUSIONS = 100
TICK = timedelta(microseconds=1)
PATIENCE = 4_500
"""A search stops when it cost so much work on end and all that it found was excluded."""
_LAST = datetime.max.replace(tzinfo=UTC)


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

    @cached_property
    def excluded(self) -> Excluded:
        """What it excludes, calendars filled in."""
        return Excluded(self)


def first_moment(schedule: Schedule) -> datetime:
    """The instant after which a newly accepted schedule starts to count.

    A delay of zero, or an `at` that is this very instant, still fires: hence just before.
    """
    return schedule.accepted_at - TICK


def next_fire_time(schedule: Schedule, *, after: datetime) -> datetime | None:
    """The first instant strictly later than `after` at which the job may fire, in UTC, or None.

    It is a fire time, unless more is excluded than one search looks at. Then the answer is the
    first instant that is named behind what was looked at. It is excluded itself (`is_excluded`),
    nothing fires before it, and the search goes on from there. None means that nothing is left.
    """
    if not schedule.exclude:
        return next_nominal_time(schedule, after)
    kept = _Kept(schedule, after)
    found = next(kept, None)
    return kept.stopped_at if found is None else found


def next_nominal_time(schedule: Schedule, after: datetime) -> datetime | None:
    """The first instant strictly later than `after` that a spec names, excluded or not."""
    return Named(schedule).later_than(after)


def fire_times(
    schedule: Schedule,
    *,
    start: datetime,
    until: datetime,
    limit: int,
    patience: int | None = None,
    budget: Budget | None = None,
) -> list[datetime]:
    """Fire times from `start` to `until`, both included, at most `limit` of them.

    Args:
        start: What `next_fire_time` answered, usually a job's next one.
        patience: After so much work for excluded ones in all, the list ends early; if not given,
            after `PATIENCE` for those on end.
        budget: Once it is spent, the list ends with the next one.
    """
    kept: Iterator[datetime]
    if schedule.exclude:
        kept = _Kept(schedule, start - TICK, patience)
    else:
        kept = chain([start], _nominal(schedule, start))
    within = _within(budget, islice(kept, limit))
    return list(takewhile(lambda instant: instant <= until, within))


def nominal_times(
    schedule: Schedule,
    *,
    after: datetime,
    before: datetime,
    limit: int,
    budget: Budget | None = None,
) -> list[datetime]:
    """What the specs name strictly between two instants, excluded or not; the first `limit`.

    Args:
        budget: Once it is spent, the list ends with the next one.
    """
    every_one = _within(budget, islice(_nominal(schedule, after), limit))
    return list(takewhile(lambda instant: instant < before, every_one))


def is_excluded(schedule: Schedule, instant: datetime) -> bool:
    """Whether what the specs name at an instant may not fire."""
    return bool(schedule.exclude) and schedule.excluded.until(instant) is not None


def due_time(schedule: Schedule, fire_time: datetime, *, budget: Budget | None = None) -> datetime:
    """When the run of a fire time should start: later by the jitter, never past the next one.

    Nor is it past the end of the schedule.

    Args:
        budget: Once it is spent, what is excluded counts as a fire time here.
    """
    if not schedule.jitter:
        return fire_time
    text = f"{schedule.seed}/{fire_time.isoformat()}".encode()
    share = int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / 2**64
    left = max((schedule.end_at or _LAST) - fire_time, timedelta(0))
    due = fire_time + min(schedule.jitter * share, left)
    spent = budget is not None and budget.is_spent
    following = (next_nominal_time if spent else _following)(schedule, fire_time)
    return due if following is None else min(due, following)


def _following(schedule: Schedule, instant: datetime) -> datetime | None:
    return next_fire_time(schedule, after=instant)


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


def _within(budget: Budget | None, instants: Iterator[datetime]) -> Iterator[datetime]:
    """The same, up to the one with which the budget is spent."""
    if budget is None:
        return instants
    return _until_spent(budget, instants)


def _until_spent(budget: Budget, instants: Iterator[datetime]) -> Iterator[datetime]:
    for instant in instants:
        yield instant
        if budget.is_spent:
            return


def _nominal(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    named = Named(schedule)
    while (upcoming := named.later_than(after)) is not None:
        yield upcoming
        after = upcoming


class _Kept(Iterator[datetime]):
    """The fire times later than an instant; ends early when those excluded cost too much work.

    Args:
        patience: How much work they may cost in all; if not given, `PATIENCE` on end.

    Attributes:
        stopped_at: Where it ended early: the first instant named behind what was looked at.
    """

    def __init__(self, schedule: Schedule, after: datetime, patience: int | None = None) -> None:
        self.stopped_at: datetime | None = None
        self._named, self._excluded = Named(schedule), schedule.excluded
        self._steps = schedule.work
        self._after = after
        self._anew = patience is None
        self._most = PATIENCE if patience is None else patience
        self._work = 0

    def __next__(self) -> datetime:
        while True:
            before = self._steps.steps
            upcoming = self._named.later_than(self._after)
            resumes = None if upcoming is None else self._excluded.until(upcoming)
            if upcoming is None or (resumes is not None and self._work >= self._most):
                self.stopped_at = upcoming
                raise StopIteration
            if resumes is None:
                self._after = upcoming
                self._work = 0 if self._anew else self._work
                return upcoming
            self._after = resumes
            self._work += self._steps.steps - before
