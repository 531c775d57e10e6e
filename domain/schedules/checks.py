"""What is refused of a schedule: what breaks a rule, and what would never fire."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.errors import Invalid, within
from domain.schedules.cron import parse_cron
from domain.schedules.rrule import OCCURRENCE_WEIGHT, Rrule, parse_rrule
from domain.schedules.schedule import (
    SPECS,
    Exclusion,
    Schedule,
    Spec,
    first_moment,
    is_excluded,
    next_fire_time,
    next_nominal_time,
)
from domain.schedules.zones import is_zone, zone

MIN_INTERVAL = timedelta(seconds=1)
MAX_DELAY = timedelta(days=3660)
MAX_EXCLUSIONS_IN_ALL = 1_000
MAX_WEIGHT = 16_000
MIN_WEIGHT = 50


def check_schedule(schedule: Schedule, since: datetime | None = None) -> None:
    """Refuse a schedule that breaks a rule, or of which no fire time is found.

    Args:
        schedule: With its calendars filled in (`with_calendars`).
        since: After when it is to fire, if not after it was accepted.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    zone(schedule.timezone)
    reading = Reading()
    for pointer, spec in _placed(schedule):
        with within(pointer):
            reading.check(spec)
    if len(schedule.exclude) > MAX_EXCLUSIONS_IN_ALL:
        raise Invalid(
            f"The schedule excludes {len(schedule.exclude):,} entries with those of its calendars; "
            f"at most {MAX_EXCLUSIONS_IN_ALL:,} are searched.",
            "/exclude",
        )
    for number, exclusion in enumerate(schedule.exclude):
        with within(f"/exclude/{number}"):
            check_exclusion(exclusion, reading)
    _check_bounds(schedule)
    first = next_fire_time(schedule, after=since or first_moment(schedule))
    if first is None:
        raise _never_fires(schedule)
    if is_excluded(schedule, first):
        raise Invalid(
            f"No fire time is found: all that the specs name up to {first.isoformat()} is "
            "excluded, and no further is searched. Exclude less, or give a `start_at` behind what "
            "is excluded.",
            "/exclude",
        )


class Reading:
    """Checks specs that belong together: each by itself, and that they are not too much to read."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._weight = 0

    def check(self, spec: Spec) -> None:
        """Refuse a spec that breaks a rule, or one too many.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        if spec.every is not None and not MIN_INTERVAL <= spec.every <= MAX_DELAY:
            raise Invalid("The interval must be between 1 second and 10 years.", "/every")
        if spec.every is not None and not timedelta(0) <= spec.phase < spec.every:
            raise Invalid("The phase must be at least 0 and less than the interval.", "/phase")
        if spec.after is not None and not timedelta(0) <= spec.after <= MAX_DELAY:
            raise Invalid("The delay must be between 0 seconds and 10 years.", "/after")
        if spec.cron is not None:
            with within("/cron"):
                parse_cron(spec.cron)
                self._add(spec.cron)
        if spec.rrule is not None:
            with within("/rrule"):
                rule = parse_rrule(spec.rrule)
                _check_zone_of(rule)
                self._add(spec.rrule, rule.weight)

    def _add(self, text: str, more: int = 0) -> None:
        if text not in self._read:
            self._read.add(text)
            self._weight += max(len(text), MIN_WEIGHT) + more
        if self._weight > MAX_WEIGHT:
            raise Invalid(
                f"These are too many cron expressions and rules: at most {MAX_WEIGHT:,} characters "
                "are read in all, with those of calendars. Each counts as at least "
                f"{MIN_WEIGHT}, and each occurrence of a COUNT as up to {OCCURRENCE_WEIGHT}."
            )


def check_exclusion(exclusion: Exclusion, reading: Reading) -> None:
    """Refuse an exclusion that breaks a rule.

    Args:
        reading: What else belongs to the schedule or calendar.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if exclusion.after is not None:
        raise Invalid("A delay cannot be excluded; name the instant with `at`.", "/after")
    if (
        exclusion.start is not None
        and exclusion.end is not None
        and exclusion.end < exclusion.start
    ):
        raise Invalid("The last day must not come before the first.", "/to")
    reading.check(exclusion)


def _placed(schedule: Schedule) -> list[tuple[str, Spec]]:
    if not schedule.specs:
        return [("", schedule)]
    return [(f"/specs/{number}", spec) for number, spec in enumerate(schedule.specs)]


def _check_zone_of(rule: Rrule) -> None:
    if rule.timezone is not None and not is_zone(rule.timezone):
        raise Invalid(f"{rule.timezone!r} is no IANA time zone, such as 'Europe/London'.")


def _check_bounds(schedule: Schedule) -> None:
    start, end = schedule.start_at, schedule.end_at
    if start is not None and end is not None and end < start:
        raise Invalid("The end must not come before the start.", "/end_at")
    if schedule.max_runs is not None and not 1 <= schedule.max_runs <= 1_000_000_000:
        raise Invalid("The number of runs must be from 1 to 1,000,000,000.", "/max_runs")
    if not timedelta(0) <= schedule.jitter <= timedelta(days=1):
        raise Invalid("The jitter must be between 0 seconds and 1 day.", "/jitter")


def _never_fires(schedule: Schedule) -> Invalid:
    if schedule.exclude and next_nominal_time(schedule, first_moment(schedule)) is not None:
        return Invalid(
            "This schedule never fires: all that its specs name is excluded.", "/exclude"
        )
    pointer = "/specs"
    if not schedule.specs:
        pointer = next(f"/{name}" for name in SPECS if getattr(schedule, name) is not None)
    if schedule.end_at is not None:
        pointer = "/end_at"
    return Invalid("This schedule never fires; choose an instant that is still to come.", pointer)
