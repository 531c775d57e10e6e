"""What is refused of a schedule: what breaks a rule, and what would never fire."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from domain.errors import Invalid, within
from domain.schedules.cron import parse_cron
from domain.schedules.rrule import parse_rrule
from domain.schedules.schedule import (
    SPECS,
    Exclusion,
    Schedule,
    Spec,
    first_moment,
    is_zone,
    next_fire_time,
    zone,
)

MIN_INTERVAL = timedelta(seconds=1)
MAX_DELAY = timedelta(days=3660)


def check_schedule(schedule: Schedule) -> None:
    """Refuse a schedule that breaks a rule or can never fire.

    Args:
        schedule: With its calendars filled in (`with_calendars`).

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    zone(schedule.timezone)
    for pointer, spec in _placed(schedule):
        with within(pointer):
            _check_spec(spec)
    for number, exclusion in enumerate(schedule.exclude):
        with within(f"/exclude/{number}"):
            check_exclusion(exclusion)
    _check_bounds(schedule)
    if next_fire_time(schedule, after=first_moment(schedule)) is None:
        raise _never_fires(schedule)


def check_exclusion(exclusion: Exclusion) -> None:
    """Refuse an exclusion that breaks a rule.

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
    _check_spec(exclusion)


def _placed(schedule: Schedule) -> list[tuple[str, Spec]]:
    if not schedule.specs:
        return [("", schedule)]
    return [(f"/specs/{number}", spec) for number, spec in enumerate(schedule.specs)]


def _check_spec(spec: Spec) -> None:
    if spec.every is not None and not MIN_INTERVAL <= spec.every <= MAX_DELAY:
        raise Invalid("The interval must be between 1 second and 10 years.", "/every")
    if spec.every is not None and not timedelta(0) <= spec.phase < spec.every:
        raise Invalid("The phase must be at least 0 and less than the interval.", "/phase")
    if spec.after is not None and not timedelta(0) <= spec.after <= MAX_DELAY:
        raise Invalid("The delay must be between 0 seconds and 10 years.", "/after")
    if spec.cron is not None:
        with within("/cron"):
            parse_cron(spec.cron)
    if spec.rrule is not None:
        with within("/rrule"):
            _check_zone_of(spec.rrule)


def _check_zone_of(rule: str) -> None:
    named = parse_rrule(rule).timezone
    if named is not None and not is_zone(named):
        raise Invalid(f"{named!r} is no IANA time zone, such as 'Europe/London'.")


def _check_bounds(schedule: Schedule) -> None:
    start, end = schedule.start_at, schedule.end_at
    if start is not None and end is not None and end < start:
        raise Invalid("The end must not come before the start.", "/end_at")
    if schedule.max_runs is not None and not 1 <= schedule.max_runs <= 1_000_000_000:
        raise Invalid("The number of runs must be from 1 to 1,000,000,000.", "/max_runs")
    if not timedelta(0) <= schedule.jitter <= timedelta(days=1):
        raise Invalid("The jitter must be between 0 seconds and 1 day.", "/jitter")


def _never_fires(schedule: Schedule) -> Invalid:
    bare = msgspec.structs.replace(schedule, exclude=())
    if schedule.exclude and next_fire_time(bare, after=first_moment(schedule)) is not None:
        return Invalid(
            "This schedule never fires: all that its specs name is excluded.", "/exclude"
        )
    pointer = "/specs"
    if not schedule.specs:
        pointer = next(f"/{name}" for name in SPECS if getattr(schedule, name) is not None)
    if schedule.end_at is not None:
        pointer = "/end_at"
    return Invalid("This schedule never fires; choose an instant that is still to come.", pointer)
