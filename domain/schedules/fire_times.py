"""The fire times of a schedule: what its specs name, less what it excludes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import chain, islice, takewhile

from domain.schedules.exclusion import excluded_by
from domain.schedules.kinds.work import Budget
from domain.schedules.named import Named
from domain.schedules.schedule import Schedule

TICK = timedelta(microseconds=1)
PATIENCE = 4_500
"""A search stops when it cost so much work on end and all that it found was excluded."""
_LAST = datetime.max.replace(tzinfo=UTC)


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
    return bool(schedule.exclude) and excluded_by(schedule).until(instant) is not None


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
        self._named, self._excluded = Named(schedule), excluded_by(schedule)
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
