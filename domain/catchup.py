"""Which fire times of a job still run when a dispatcher comes to them, and what the others are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from domain.errors import Invalid
from domain.schedules.schedule import TICK, Schedule, fire_times, next_fire_time, nominal_times

TOLERANCE = timedelta(seconds=1)
"""A dispatcher's tick: what is late by less was not missed."""
MAX_WINDOW = timedelta(days=366)
MAX_LIMIT = 1_000
COUNTED = 5_000
"""So many fire times are looked at one by one; what lies before them becomes one stretch."""


class Coalesce(StrEnum):
    """Which of several missed fire times run."""

    LATEST = "latest"
    EARLIEST = "earliest"
    ALL = "all"


class CatchupPolicy(Struct, frozen=True, kw_only=True):
    """What becomes of fire times that passed while nothing could fire them.

    Attributes:
        window: Those longer ago are missed; 0 means all that passed.
        coalesce: Which of the others run.
        limit: How many run at most; older ones are missed.
    """

    window: timedelta = timedelta(seconds=60)
    coalesce: Coalesce = Coalesce.LATEST
    limit: int = 10


class Outcome(StrEnum):
    """What became of a fire time that made no run of its own (or whose run never rang)."""

    RUN = "run"
    SKIPPED_OVERLAP = "skipped_overlap"
    MISSED = "missed"
    PAUSED = "paused"
    EXCLUDED = "excluded"
    COALESCED = "coalesced"
    CANCELLED = "cancelled"
    QUOTA = "quota"


class Stretch(Struct, frozen=True, kw_only=True):
    """Consecutive fire times with one outcome.

    Attributes:
        count: How many they are; None when nobody counted.
    """

    first: datetime
    last: datetime
    outcome: Outcome
    count: int | None


class Plan(Struct, frozen=True, kw_only=True):
    """What a claim makes of a job's fire times.

    Attributes:
        runs: Fire times that run.
        unrun: The others, in order.
        accounted_to: The last of all of them.
        next_fire_for: The first one that is left.
    """

    runs: list[datetime]
    unrun: list[Stretch]
    accounted_to: datetime
    next_fire_for: datetime | None


def check_catchup(policy: CatchupPolicy) -> None:
    """Refuse a policy that makes no sense.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if policy.window and not TOLERANCE <= policy.window <= MAX_WINDOW:
        raise Invalid("The window must be 0, or between 1 second and 366 days.", "/window")
    if not 1 <= policy.limit <= MAX_LIMIT:
        raise Invalid(f"The limit must be from 1 to {MAX_LIMIT:,}.", "/limit")


def plan(
    schedule: Schedule,
    policy: CatchupPolicy,
    *,
    accounted_to: datetime,
    next_fire_for: datetime,
    now: datetime,
    until: datetime,
    limit: int,
) -> Plan:
    """Decide on the fire times up to `until`.

    Args:
        accounted_to: All that is named up to here has its outcome.
        next_fire_for: The first fire time after it that is not excluded.
        limit: At most so many fire times that are not late are taken; the rest stays.
    """
    fresh_from = now - TOLERANCE
    if next_fire_for >= fresh_from:
        late: list[Stretch] = []
        fresh_start: datetime | None = next_fire_for
    else:
        late = list(_late(schedule, policy, next_fire_for, now))
        fresh_start = next_fire_time(schedule, after=fresh_from - TICK)
    fresh = (
        []
        if fresh_start is None
        else fire_times(schedule, start=fresh_start, until=until, limit=limit)
    )
    runs = [one.first for one in late if one.outcome is Outcome.RUN] + fresh
    unrun = [one for one in late if one.outcome is not Outcome.RUN]
    last = fresh[-1] if fresh else late[-1].last
    following = next_fire_time(schedule, after=last)
    if schedule.exclude:
        kept = [*late, *(_one(instant, Outcome.RUN) for instant in fresh)]
        unrun = _with_excluded(schedule, accounted_to, kept)
        if following is None and (rest := _excluded(schedule, last, until + TICK)):
            unrun.append(rest)
    return Plan(runs=runs, unrun=unrun, accounted_to=last, next_fire_for=following)


def account(
    schedule: Schedule, outcome: Outcome, *, after: datetime, until: datetime
) -> list[Stretch]:
    """All that a schedule names later than `after`, up to `until`, none of which will run.

    Args:
        outcome: Of what is not excluded.
    """
    first = next_fire_time(schedule, after=after)
    kept = [] if first is None else list(_stretches(schedule, first, until + TICK, outcome))
    if not schedule.exclude:
        return kept
    found = _with_excluded(schedule, after, kept)
    last = kept[-1].last if kept else after
    return found + list(filter(None, [_excluded(schedule, last, until + TICK)]))


def _late(
    schedule: Schedule, policy: CatchupPolicy, first: datetime, now: datetime
) -> Iterator[Stretch]:
    """The fire times from `first` on that are late, in stretches (runs one by one)."""
    fresh_from = now - TOLERANCE
    window_start = now - policy.window if policy.window else fresh_from
    yield from _stretches(schedule, first, min(window_start, fresh_from), Outcome.MISSED)
    if window_start >= fresh_from:
        return
    start = next_fire_time(schedule, after=max(first, window_start) - TICK)
    if start is None or start >= fresh_from:
        return
    prefix, times = _last_times(schedule, start, fresh_from)
    if prefix is not None:
        yield prefix
    yield from _coalesced(schedule, policy, times)


def _coalesced(
    schedule: Schedule, policy: CatchupPolicy, times: list[datetime]
) -> Iterator[Stretch]:
    match policy.coalesce:
        case Coalesce.LATEST:
            chosen, outcome = {times[-1]}, Outcome.COALESCED
        case Coalesce.EARLIEST:
            chosen, outcome = {times[0]}, Outcome.COALESCED
        case Coalesce.ALL:
            chosen, outcome = set(times[-policy.limit :]), Outcome.MISSED
    group: list[datetime] = []
    for instant in times:
        if instant in chosen:
            yield from _grouped(group, outcome)
            group = []
            yield _one(instant, Outcome.RUN)
        else:
            group.append(instant)
    yield from _grouped(group, outcome)


def _grouped(times: list[datetime], outcome: Outcome) -> Iterator[Stretch]:
    if times:
        yield Stretch(first=times[0], last=times[-1], outcome=outcome, count=len(times))


def _one(instant: datetime, outcome: Outcome) -> Stretch:
    return Stretch(first=instant, last=instant, outcome=outcome, count=1)


def _stretches(
    schedule: Schedule, first: datetime, before: datetime, outcome: Outcome
) -> Iterator[Stretch]:
    """The fire times from `first` to before `before`: one stretch, counted if they are not many."""
    if first >= before:
        return
    times = fire_times(schedule, start=first, until=before - TICK, limit=COUNTED + 1)
    if len(times) > COUNTED:
        yield Stretch(first=first, last=before - TICK, outcome=outcome, count=None)
    else:
        yield from _grouped(times, outcome)


def _last_times(
    schedule: Schedule, start: datetime, before: datetime
) -> tuple[Stretch | None, list[datetime]]:
    """At most `COUNTED` fire times of `[start, before)`, the last ones, and what lies before."""
    prefix: Stretch | None = None
    first = start
    while True:
        times = fire_times(schedule, start=first, until=before - TICK, limit=COUNTED + 1)
        if len(times) <= COUNTED:
            return prefix, times
        middle = next_fire_time(schedule, after=first + (before - first) / 2) or times[-1]
        if middle >= before:
            # Half of the time holds none, so what was found is nearly all: take it as it is.
            return prefix, times
        first = middle
        prefix = Stretch(first=start, last=first - TICK, outcome=Outcome.COALESCED, count=None)


def _with_excluded(
    schedule: Schedule, accounted_to: datetime, kept: list[Stretch]
) -> list[Stretch]:
    """The stretches that do not run, with what is excluded between them and the runs."""
    found: list[Stretch] = []
    position = accounted_to
    for one in kept:
        found += filter(None, [_excluded(schedule, position, one.first)])
        if one.outcome is not Outcome.RUN:
            found += _around_excluded(schedule, one)
        position = one.last
    return found


def _around_excluded(schedule: Schedule, one: Stretch) -> Iterator[Stretch]:
    """A stretch, cut where something excluded lies in it; one that nobody counted stays whole."""
    if one.count is None:
        yield one
        return
    group: list[datetime] = []
    for instant in fire_times(schedule, start=one.first, until=one.last, limit=COUNTED):
        between = _excluded(schedule, group[-1], instant) if group else None
        if between is not None:
            yield from _grouped(group, one.outcome)
            yield between
            group = []
        group.append(instant)
    yield from _grouped(group, one.outcome)


def _excluded(schedule: Schedule, after: datetime, before: datetime) -> Stretch | None:
    """What lies strictly between two instants, none of which may fire."""
    found = nominal_times(schedule, after=after, before=before, limit=COUNTED + 1)
    if not found:
        return None
    if len(found) > COUNTED:
        return Stretch(first=found[0], last=before - TICK, outcome=Outcome.EXCLUDED, count=None)
    return Stretch(first=found[0], last=found[-1], outcome=Outcome.EXCLUDED, count=len(found))
