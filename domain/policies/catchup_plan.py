"""Which fire times of a job still run when a dispatcher comes to them, and what the others are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby

from domain.policies.catchup import (
    MAX_LIMIT,
    TOLERANCE,
    CatchupPolicy,
    Coalesce,
    Outcome,
    Plan,
    Stretch,
)
from domain.schedules.exclusion import excluded_by
from domain.schedules.fire_times import (
    TICK,
    due_time,
    fire_times,
    is_excluded,
    next_fire_time,
    nominal_times,
)
from domain.schedules.kinds.work import Budget
from domain.schedules.newest import newest
from domain.schedules.schedule import Schedule

COUNTED = 5_000
"""So many fire times are looked at one by one; where there are more, a stretch goes uncounted."""

PLAN_STEPS = 80_000
"""What a plan or an account may cost: at most about a tenth of a second."""


def plan(
    schedule: Schedule,
    policy: CatchupPolicy,
    *,
    accounted_to: datetime,
    next_fire_for: datetime,
    now: datetime,
    until: datetime,
    limit: int,
    runs_left: int | None = None,
    told: Collection[datetime] = (),
    budget: Budget | None = None,
) -> Plan:
    """Decide on the fire times up to `until`, or as far as the budget goes: the rest stays.

    A fire time is late by what has passed since its run was due.

    Args:
        accounted_to: All that is named up to here has its outcome.
        next_fire_for: What `next_fire_time` answered: all that is named before it is excluded.
        limit: At most so many fire times that are not late are taken; the rest stays.
        runs_left: After so many runs the schedule is at its end.
        told: Fire times that have their run already, and keep it.
        budget: What it may cost; `PLAN_STEPS` if not given.
    """
    budget = budget or Budget(schedule.work, PLAN_STEPS)
    fresh_from = now - TOLERANCE
    if next_fire_for >= fresh_from and not (schedule.exclude or told) and runs_left is None:
        # Nearly every claim is so simple.
        runs = fire_times(schedule, start=next_fire_for, until=until, limit=limit)
        if runs:
            following = next_fire_time(schedule, after=runs[-1])
            position = until if following is None else runs[-1]
            return Plan(runs=runs, unrun=[], accounted_to=position, next_fire_for=following)
    upcoming = _first_due_from(schedule, next_fire_for, fresh_from, budget)
    making = _Making(schedule, accounted_to, told, budget)
    if upcoming != next_fire_for:
        before = fresh_from if upcoming is None else min(upcoming, fresh_from)
        stopped_at = _catch_up(making, policy, next_fire_for, before, now)
        if stopped_at is not None:
            return making.plan(stopped_at)
    if upcoming is not None and upcoming <= until:
        for instant in fire_times(
            schedule, start=upcoming, until=until, limit=limit, budget=budget
        ):
            making.run(instant)
        upcoming = next_fire_time(schedule, after=max(making.position, upcoming))
    if runs_left is not None and len(making.runs) >= runs_left:
        return _ended(making, runs_left)
    if upcoming is None or making.position < next_fire_for:
        # Whatever was looked at is excluded.
        making.pass_over(min(upcoming or until + TICK, until + TICK), Outcome.EXCLUDED)
    return making.plan(upcoming)


def account(
    schedule: Schedule,
    outcome: Outcome,
    *,
    after: datetime,
    until: datetime,
    told: Collection[datetime] = (),
) -> list[Stretch]:
    """All that a schedule names later than `after`, up to `until`, none of which will run.

    What costs more than `PLAN_STEPS` to tell apart goes uncounted.

    Args:
        outcome: Of what is not excluded.
        told: Instants that have a run already, and so their outcome: no stretch reaches over one.
    """
    making = _Making(schedule, after, told, Budget(schedule.work, PLAN_STEPS))
    making.pass_over(until + TICK, outcome)
    return making.unrun


class _Making:
    """A plan in the making: what has its outcome, up to a position."""

    def __init__(
        self, schedule: Schedule, position: datetime, told: Collection[datetime], budget: Budget
    ) -> None:
        self.schedule = schedule
        self.budget = budget
        self.position = position
        self.told = sorted(told)
        self.runs: list[datetime] = []
        self.unrun: list[Stretch] = []
        self._patience = COUNTED

    def plan(self, next_fire_for: datetime | None) -> Plan:
        return Plan(
            runs=self.runs,
            unrun=self.unrun,
            accounted_to=self.position,
            next_fire_for=next_fire_for,
        )

    def run(self, instant: datetime) -> None:
        """Have a fire time run, if it has no run yet; what lies before it is excluded."""
        self.pass_over(instant, Outcome.EXCLUDED)
        self.runs += self.without_runs([instant])
        self.position = instant

    def without_runs(self, instants: Sequence[datetime]) -> list[datetime]:
        return [instant for instant in instants if instant not in self.told]

    def pass_over(self, before: datetime, outcome: Outcome) -> None:
        """Run nothing before an instant; what is not excluded has this outcome."""
        for instant in self.told:
            if self.position < instant < before:
                self._pass_over(instant, outcome)
                self.position = instant
        self._pass_over(before, outcome)

    def _pass_over(self, before: datetime, outcome: Outcome) -> None:
        if before - TICK <= self.position:
            return
        if self.schedule.exclude or outcome is not Outcome.EXCLUDED:
            self._write(before, outcome)
        self.position = before - TICK

    def _write(self, before: datetime, outcome: Outcome) -> None:
        times = nominal_times(
            self.schedule,
            after=self.position,
            before=before,
            limit=self._patience + 1,
            budget=self.budget,
        )
        if times and (len(times) > self._patience or not self._affords(len(times))):
            self._write_uncounted(times[0], before, outcome)
        else:
            self._write_counted(times, outcome)
        self._patience = max(self._patience - len(times), 0)

    def _affords(self, instants: int) -> bool:
        """Whether so many may each be asked whether they are excluded."""
        weight = excluded_by(self.schedule).weight if self.schedule.exclude else 1
        return self.budget.affords(instants * weight)

    def _write_counted(self, times: list[datetime], outcome: Outcome) -> None:
        for excluded, members in groupby(times, lambda time: is_excluded(self.schedule, time)):
            group = list(members)
            said = Outcome.EXCLUDED if excluded else outcome
            self._add(group[0], group[-1], said, len(group))

    def _write_uncounted(self, first: datetime, before: datetime, outcome: Outcome) -> None:
        """What is excluded is told apart only where it comes first."""
        kept = next_fire_time(self.schedule, after=first - TICK)
        if kept is None or kept >= before or outcome is Outcome.EXCLUDED:
            kept = before
        if kept > first:
            self._add(first, kept - TICK, Outcome.EXCLUDED, None)
        if kept < before:
            self._add(kept, before - TICK, outcome, None)

    def _add(self, first: datetime, last: datetime, outcome: Outcome, count: int | None) -> None:
        self.unrun.append(Stretch(first=first, last=last, outcome=outcome, count=count))


def _catch_up(
    making: _Making, policy: CatchupPolicy, first: datetime, before: datetime, now: datetime
) -> datetime | None:
    """Decide on the fire times from `first` to before `before`, which are late.

    Returns:
        Where to go on, if the search for the earliest of them has come so far and not found it.
    """
    schedule = making.schedule
    start = None
    if policy.window:
        start = _first_due_from(schedule, first, now - policy.window, making.budget)
    if start is None or start >= before:
        making.pass_over(before, Outcome.MISSED)
        return None
    making.pass_over(start, Outcome.MISSED)
    if policy.coalesce is Coalesce.EARLIEST and is_excluded(schedule, start):
        start = next_fire_time(schedule, after=start)
        making.pass_over(before if start is None else min(start, before), Outcome.EXCLUDED)
        if start is None or start >= before:
            return None
        if is_excluded(schedule, start):
            return start
    if policy.coalesce is Coalesce.ALL and _are_few(schedule, policy, start, before):
        return _run_all(making, start, before)
    others = Outcome.MISSED if policy.coalesce is Coalesce.ALL else Outcome.COALESCED
    for instant in _chosen(making, policy, start, before):
        making.pass_over(instant, others)
        making.run(instant)
    making.pass_over(before, others)
    return None


def _are_few(schedule: Schedule, policy: CatchupPolicy, first: datetime, before: datetime) -> bool:
    """Whether no more than the policy's limit are named from `first` on."""
    most = policy.limit
    named = nominal_times(schedule, after=first - TICK, before=before, limit=most + 1)
    return len(named) <= most


def _run_all(making: _Making, first: datetime, before: datetime) -> datetime | None:
    """Run all fire times of `[first, before)`; where the budget ends, the next claim goes on."""
    schedule, last = making.schedule, before - TICK
    upcoming: datetime | None = first
    while upcoming is not None and upcoming < before:
        for instant in fire_times(
            schedule, start=upcoming, until=last, limit=MAX_LIMIT, budget=making.budget
        ):
            making.run(instant)
        upcoming = next_fire_time(schedule, after=max(making.position, upcoming))
        if making.budget.is_spent and upcoming is not None and upcoming < before:
            return upcoming
    making.pass_over(before, Outcome.EXCLUDED)
    return None


def _chosen(
    making: _Making, policy: CatchupPolicy, first: datetime, before: datetime
) -> list[datetime]:
    """Which fire times of `[first, before)` run, of those that have no run yet."""
    schedule, had = making.schedule, len(making.told)
    if policy.coalesce is Coalesce.EARLIEST:
        times = fire_times(
            schedule, start=first, until=before - TICK, limit=1 + had, budget=making.budget
        )
        return making.without_runs(times)[:1]
    most = 1 if policy.coalesce is Coalesce.LATEST else policy.limit
    times = newest(schedule, first, before, most + had, counted=COUNTED, budget=making.budget)
    return making.without_runs(times)[-most:]


def _ended(making: _Making, runs_left: int) -> Plan:
    """The plan up to the last run of all, be it one to make or one that is there already."""
    last = making.runs[runs_left - 1]
    following = next_fire_time(making.schedule, after=last)
    while following is not None and following in making.told:
        last, following = following, next_fire_time(making.schedule, after=following)
    if last > making.position:
        making.run(last)
    return Plan(
        runs=making.runs[:runs_left],
        unrun=[one for one in making.unrun if one.first < last],
        accounted_to=last,
        next_fire_for=None,
    )


def _first_due_from(
    schedule: Schedule, first: datetime, instant: datetime, budget: Budget
) -> datetime | None:
    """Of the fire times from `first` on, the first whose run is due at `instant` or later."""
    if first >= instant:
        return first
    if schedule.jitter:
        # Each is due before the next one: of those before the instant, only the last may be later.
        for last in newest(schedule, first, instant, 1, counted=COUNTED, budget=budget):
            if due_time(schedule, last, budget=budget) >= instant:
                return last
    return next_fire_time(schedule, after=instant - TICK)
