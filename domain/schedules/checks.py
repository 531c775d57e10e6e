"""What is refused of a schedule: what breaks a rule, and what would never fire."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.errors import Invalid, within
from domain.schedules.clocks.zones import zone
from domain.schedules.fire_times import first_moment, is_excluded, next_fire_time, next_nominal_time
from domain.schedules.kinds import NAMES, kind_of
from domain.schedules.kinds.reading import Reading
from domain.schedules.schedule import Exclusion, Schedule

MAX_EXCLUSIONS_IN_ALL = 1_000


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
    for number, kind in enumerate(schedule.kinds):
        with within(f"/specs/{number}" if schedule.specs else ""):
            kind.check(reading)
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


def check_exclusion(exclusion: Exclusion, reading: Reading) -> None:
    """Refuse an exclusion that breaks a rule.

    Args:
        reading: What else belongs to the schedule or calendar.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    kind = kind_of(exclusion)
    if kind is not None:
        kind.check_excluding()
        kind.check(reading)
    if (
        exclusion.start is not None
        and exclusion.end is not None
        and exclusion.end < exclusion.start
    ):
        raise Invalid("The last day must not come before the first.", "/to")


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
        pointer = next(f"/{name}" for name in NAMES if getattr(schedule, name) is not None)
    if schedule.end_at is not None:
        pointer = "/end_at"
    return Invalid("This schedule never fires; choose an instant that is still to come.", pointer)
