"""When a job fires: one spec (`at`, `after`, `every` or `cron`) and its time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from msgspec import Struct

from domain.errors import Invalid
from domain.ids import EPOCH

MIN_INTERVAL = timedelta(seconds=1)
MAX_DELAY = timedelta(days=3660)
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class Schedule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The instants at which a job fires; exactly one spec is set.

    Attributes:
        at: One instant, in UTC.
        after: A delay from `accepted_at`.
        every: An interval; fire times are whole multiples of it since 1970-01-01T00:00Z, so they
            neither drift nor move with a restart.
        cron: A cron expression of five fields, or a macro such as `@daily`.
        timezone: IANA name of the zone in which `cron` is read.
        accepted_at: When the service handed the schedule in, in UTC.
    """

    accepted_at: datetime
    at: datetime | None = None
    after: timedelta | None = None
    every: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"


def check_schedule(schedule: Schedule) -> None:
    """Refuse a schedule that breaks a rule or can never fire.

    Raises:
        Invalid: With a pointer to the spec at fault.
    """
    if schedule.cron is not None:
        _check_cron(schedule.cron)
    if schedule.every is not None and not MIN_INTERVAL <= schedule.every <= MAX_DELAY:
        raise Invalid("The interval must be between 1 second and 10 years.", "/every")
    if schedule.after is not None and not timedelta(0) <= schedule.after <= MAX_DELAY:
        raise Invalid("The delay must be between 0 seconds and 10 years.", "/after")
    if next_fire_time(schedule, after=first_moment(schedule)) is None:
        raise Invalid(
            "This schedule never fires; choose an instant that is still to come.", _spec(schedule)
        )


def first_moment(schedule: Schedule) -> datetime:
    """The instant after which a newly accepted schedule starts to count.

    A delay of zero, or an `at` that is this very instant, still fires: hence just before.
    """
    return schedule.accepted_at - timedelta(microseconds=1)


def next_fire_time(schedule: Schedule, *, after: datetime) -> datetime | None:
    """The first fire time strictly later than `after`, in UTC, or None when there is none."""
    if schedule.at is not None:
        return _once(schedule.at, after)
    if schedule.after is not None:
        return _once(schedule.accepted_at + schedule.after, after)
    if schedule.every is not None:
        return EPOCH + ((after - EPOCH) // schedule.every + 1) * schedule.every
    if schedule.cron is not None:
        return _next_cron(schedule.cron, schedule.timezone, after)
    return None


def fire_times(
    schedule: Schedule, *, start: datetime, until: datetime, limit: int
) -> list[datetime]:
    """Fire times from `start` to `until`, both included, at most `limit` of them.

    Args:
        start: A fire time of the schedule, usually a job's `next_fire_at`.
    """
    times: list[datetime] = []
    upcoming: datetime | None = start
    while upcoming is not None and upcoming <= until and len(times) < limit:
        times.append(upcoming)
        upcoming = next_fire_time(schedule, after=upcoming)
    return times


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        Invalid: When there is no such zone.
    """
    if name not in _zone_names():
        raise Invalid(f"{name!r} is no IANA time zone, such as 'Europe/London'.", "/timezone")
    return ZoneInfo(name)


@cache
def _zone_names() -> frozenset[str]:
    # "localtime" is each machine's own; "Factory" says that nobody has set it.
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _once(instant: datetime, after: datetime) -> datetime | None:
    return instant if instant > after else None


def _spec(schedule: Schedule) -> str:
    names = ("at", "after", "every", "cron")
    return next(f"/{name}" for name in names if getattr(schedule, name) is not None)


def _check_cron(expression: str) -> None:
    fields = _MACROS.get(expression, expression).split()
    if len(fields) != 5:
        raise Invalid(
            "A cron expression has five fields (minute hour day month weekday) or is a macro: "
            + ", ".join(_MACROS),
            "/cron",
        )
    try:
        CronSim(" ".join(fields), EPOCH)
    except CronSimError as error:
        raise Invalid(f"Bad cron expression: {error}.", "/cron") from None


@lru_cache(maxsize=4_096)
def _next_cron(expression: str, timezone: str, after: datetime) -> datetime | None:
    # A midnight with 10,000 daily jobs asks the same question 10,000 times, hence the cache.
    local = after.astimezone(zone(timezone))
    upcoming = (one.astimezone(UTC) for one in CronSim(_MACROS.get(expression, expression), local))
    # In the second pass of a fold, CronSim also names instants of the first.
    return next((instant for instant in upcoming if instant > after), None)
