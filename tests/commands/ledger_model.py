"""What the ledger may say of a job: a model that lists every nominal instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from domain.policies.catchup import Outcome
from domain.schedules.edited import names
from domain.schedules.fire_times import is_excluded, nominal_times
from domain.schedules.schedule import Schedule
from queries.jobs.get_ledger import LedgerRow

TICK = timedelta(microseconds=1)
MOST = 100_000

RunDetails = Outcome | None
"""None as long as nothing is told of a fire time."""
Allowed = Callable[[datetime, RunDetails, RunDetails], bool]
"""Whether what is told of a fire time may have changed so in the last step."""


@dataclass
class Era:
    """The time in which a job had one schedule: from just after `after` to `until`."""

    schedule: Schedule
    after: datetime
    until: datetime | None = None

    def names(self, until: datetime) -> list[datetime]:
        """Its nominal instants up to one of them, excluded ones too."""
        end = until if self.until is None else min(until, self.until)
        return nominal_times(self.schedule, after=self.after, before=end + TICK, limit=MOST)


@dataclass
class JobModel:
    """A job: its schedules, what it does not forget of fire times, and what was told last.

    Attributes:
        begun: Those that began to ring.
        cancelled: Those whose run was cancelled before it did, if need be ahead of time.
        inherited: Those of them that were cancelled before runs were counted anew.
        most_so_far: Runs that had been counted when the schedule became what it is.
        ended_at: The last of all, once there are as many runs as the schedule allows.
    """

    id: UUID
    eras: list[Era]
    paused: bool = False
    begun: set[datetime] = field(default_factory=set)
    cancelled: set[datetime] = field(default_factory=set)
    inherited: set[datetime] = field(default_factory=set)
    most_so_far: int = 0
    ended_at: datetime | None = None
    told: dict[datetime, Outcome] = field(default_factory=dict)

    @property
    def era(self) -> Era:
        return self.eras[-1]

    def position(self, now: datetime, accounted_to: datetime, run_count: int) -> datetime:
        """Up to where all has its outcome: nothing has beyond the last run of all."""
        most = self.era.schedule.max_runs
        if most is None or run_count < most:
            self.ended_at = None
            return now if self.paused else min(now, accounted_to)
        self.ended_at = self.ended_at or accounted_to
        return min(now, self.ended_at)

    def new_era(self, schedule: Schedule, now: datetime) -> None:
        """Another schedule from now on; the old one may have come to its end before."""
        self.era.until = min(now - TICK, self.ended_at or now)
        self.eras.append(Era(schedule, now - TICK))
        self.ended_at = None
        if schedule.counted_from is not None and schedule.counted_from > now - TICK:
            self.inherited = set(self.cancelled)

    def compare(
        self,
        entries: Sequence[LedgerRow],
        *,
        now: datetime,
        position: datetime,
        allowed: Allowed,
    ) -> None:
        """Hold the ledger against the model.

        Args:
            position: Up to here all has its outcome, and nothing beyond.
            allowed: What the last step may have changed.
        """
        now_told = {}
        for instant in self.cancelled:
            if instant <= now:
                now_told[instant] = self._outcome(entries, instant)
                assert now_told[instant] is Outcome.CANCELLED, (instant, now_told[instant])
        for era in self.eras:
            for instant in set(era.names(position)) - self.cancelled:
                outcome = self._outcome(entries, instant)
                now_told[instant] = outcome
                excluded = is_excluded(era.schedule, instant)
                assert (outcome is Outcome.EXCLUDED) == excluded, (instant, outcome)
        self._compare_stretches(entries)
        for instant in sorted(now_told.keys() | self.told.keys()):
            before, after = self.told.get(instant), now_told.get(instant)
            assert before is after or allowed(instant, before, after), (instant, before, after)
            assert instant not in self.begun or after is Outcome.RUN, (instant, after)
        self.told = now_told

    def _outcome(self, entries: Sequence[LedgerRow], instant: datetime) -> Outcome:
        found = [
            entry.outcome
            for entry in entries
            if entry.scheduled_for <= instant <= (entry.until or entry.scheduled_for)
        ]
        assert len(found) == 1, (instant, found)
        return found[0]

    def _compare_stretches(self, entries: Sequence[LedgerRow]) -> None:
        """Each begins and ends with an instant, if need be ahead of now, and is well counted."""
        ends = [entry.until or entry.scheduled_for for entry in entries]
        latest = max(ends, default=self.era.after)
        named = {one for era in self.eras for one in era.names(latest)}
        instants = sorted(named | self.cancelled)
        for entry in entries:
            last = entry.until or entry.scheduled_for
            within = [one for one in instants if entry.scheduled_for <= one <= last]
            assert within, entry
            assert (within[0], within[-1]) == (entry.scheduled_for, last), entry
            assert entry.count == len(within), entry
        firsts = [entry.scheduled_for for entry in entries]
        assert firsts == sorted(set(firsts))

    # What each step may change.

    def nothing(self, instant: datetime, before: RunDetails, after: RunDetails) -> bool:
        return False

    def advanced(self, instant: datetime, before: RunDetails, after: RunDetails) -> bool:
        """What was claimed ahead comes into sight, and a pause grows."""
        shown = {Outcome.RUN, Outcome.EXCLUDED, Outcome.CANCELLED}
        return before is None and after in (shown | {Outcome.PAUSED} if self.paused else shown)

    def claimed(self, now: datetime) -> Allowed:
        late = {Outcome.MISSED, Outcome.COALESCED}
        fresh = {Outcome.RUN, Outcome.EXCLUDED}

        def allowed(instant: datetime, before: RunDetails, after: RunDetails) -> bool:
            is_late = instant < now - timedelta(seconds=1)
            return before is None and after in (fresh | late if is_late else fresh)

        return allowed

    def stopped(self, outcome: Outcome) -> Allowed:
        """A pause: what has not begun gets this outcome."""

        def allowed(instant: datetime, before: RunDetails, after: RunDetails) -> bool:
            if before is Outcome.RUN:
                return after is outcome
            return before is None and after in (outcome, Outcome.EXCLUDED)

        return allowed

    def edited(self, instant: datetime, before: RunDetails, after: RunDetails) -> bool:
        """What the new schedule does not name is cancelled; of the rest, late runs are made."""
        if before is Outcome.RUN:
            return after is Outcome.CANCELLED and not names(self.era.schedule, instant)
        return before is None and after in (Outcome.CANCELLED, Outcome.EXCLUDED, Outcome.RUN)

    def left_to_catch_up(self, instant: datetime, before: RunDetails, after: RunDetails) -> bool:
        return before in (Outcome.PAUSED, Outcome.EXCLUDED) and after is None

    def began(self, instant: datetime, before: RunDetails, after: RunDetails) -> bool:
        """A run that found another one active was let go, or made others give way; or was late."""
        let_go = (Outcome.SKIPPED_OVERLAP, Outcome.CANCELLED, Outcome.MISSED)
        return before is Outcome.RUN and after in let_go

    def lost_runs(self, instant: datetime, before: RunDetails, after: RunDetails) -> bool:
        return before is Outcome.RUN and after is Outcome.CANCELLED
