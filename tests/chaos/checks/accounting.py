"""Each nominal instant of a job has exactly one outcome: none is lost, doubled or invented."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from tests.chaos.eras import Era, eras_of, horizon_of, owed_to
from tests.chaos.history import LET_GO, History, Job, LedgerRow, Run, Violation, grouped
from tests.chaos.nominal import SECOND

# A late fire time of a job that runs all that it missed is only given up after so long.
PATIENT = timedelta(minutes=10)
DISTURBED = timedelta(seconds=75)


def check(history: History) -> Iterator[Violation]:
    """Judge every job that was accepted."""
    audit, ledger = grouped(history.audit, "object_id"), grouped(history.ledger, "job_id")
    runs, horizon = history.runs_of(), horizon_of(history)
    for job in history.jobs.values():
        rows = audit.get(job.id, [])
        owed = owed_to(rows, history.judged_to)
        # The horizon of what may be told is wider: claims look ahead.
        eras = eras_of(job, history, rows, horizon)
        judged = _Account(job, eras, runs.get(job.id, []), ledger.get(job.id, []), history)
        is_deleted = any(row.action == "job.deleted" for row in rows)
        told_to = judged.last_that_fires(owed) if is_deleted else owed
        yield from judged.lost_or_doubled(owed, told_to)
        yield from judged.invented()
        yield from judged.given_up()


class _Account:
    """One job's instants against its runs and its ledger."""

    def __init__(
        self, job: Job, eras: list[Era], runs: list[Run], ledger: list[LedgerRow], history: History
    ) -> None:
        self._job = job
        self._eras = eras
        self._ledger = sorted(ledger, key=lambda row: row.first)
        self._history = history
        self._runs: dict[datetime, list[Run]] = {}
        for run in runs:
            if run.trigger == "schedule":
                self._runs.setdefault(run.scheduled_for, []).append(run)
        self._era_of = {instant: era for era in eras for instant in era.instants()}

    def last_that_fires(self, owed: datetime) -> datetime:
        """The last instant that is owed and not excluded.

        An exclusion is told of when what comes behind it is claimed; of a deleted job, nothing is.
        """
        firing = [
            instant
            for instant, era in self._era_of.items()
            if instant <= owed and not era.is_excluded(instant)
        ]
        return max(firing, default=datetime.min.replace(tzinfo=owed.tzinfo))

    def lost_or_doubled(self, owed: datetime, told_to: datetime) -> Iterator[Violation]:
        """Instants with no outcome, or with several.

        Args:
            told_to: What is excluded behind it need not have its outcome yet.
        """
        for instant, era in self._era_of.items():
            if instant > owed or self._is_behind_its_last_run(instant, era):
                continue
            outcomes = self._outcomes(instant)
            if not outcomes and instant > told_to:
                continue
            if not outcomes:
                yield self._violation("an instant has no outcome", instant)
            elif len(outcomes) > 1:
                yield self._violation(f"an instant has several outcomes: {outcomes}", instant)
            elif outcomes == ["run"] and self._began_before_an_edit(instant):
                continue
            elif not self._fits(outcomes[0], era.is_excluded(instant)):
                yield self._violation(f"the outcome {outcomes[0]} does not fit", instant)

    def invented(self) -> Iterator[Violation]:
        """Runs and stretches of instants that the schedule does not name."""
        for instant in self._runs:
            if instant not in self._era_of and not self._began_before_an_edit(instant):
                yield self._violation("a run is of no instant of the schedule", instant)
        for row in self._ledger:
            if row.count is not None and row.count != self._named_within(row):
                said = f"the ledger counts {row.count} as {row.outcome} up to {row.last},"
                yield self._violation(f"{said} there are {self._named_within(row)}", row.first)
        for one, other in pairwise(self._ledger):
            if one.last is None or other.first <= one.last:
                yield self._violation(f"stretches overlap: {one} {other}", other.first)

    def _began_before_an_edit(self, instant: datetime) -> bool:
        """Whether the schedule before still held: an edit is done later than it is asked for."""
        return any(
            era.to < instant <= era.held_to + self._shift_at(instant) and era.names(instant)
            for era in self._eras[:-1]
        )

    def _shift_at(self, instant: datetime) -> timedelta:
        """How early a run may begin by a worker's clock that is ahead, but right as we judge it."""
        faults = self._history.faults_between(instant - SECOND, instant)
        is_shifted = any(one.target.startswith("shift_clock: worker") for one in faults)
        return SECOND if is_shifted else timedelta(0)

    def given_up(self) -> Iterator[Violation]:
        """Instants that were missed though nothing was wrong, or though the job is patient."""
        for row in self._ledger:
            if row.outcome not in ("missed", "coalesced", "quota"):
                continue
            last = row.last or row.first
            if row.outcome == "quota" or self._is_patient():
                yield self._violation(f"{row.outcome} up to {last} of a patient job", row.first)
            elif not self._was_disturbed(row.first - DISTURBED, last + DISTURBED):
                yield self._violation(f"{row.outcome} up to {last} without a fault", row.first)
        for instant, runs in self._runs.items():
            if self._is_patient() and any(run.state == "missed" for run in runs):
                yield self._violation("a run of a patient job was missed", instant)

    def _was_disturbed(self, start: datetime, end: datetime) -> bool:
        is_fault_there = any(self._history.faults_between(start, end))
        return is_fault_there or self._history.was_busy(start, end)

    def _outcomes(self, instant: datetime) -> list[str]:
        runs = ["missed" if run.state == "missed" else "run" for run in self._runs.get(instant, ())]
        # A pause that goes on leaves out what has its run.
        return runs + [
            row.outcome
            for row in self._ledger
            if row.covers(instant) and not (runs and row.last is None)
        ]

    def _fits(self, outcome: str, excluded: bool) -> bool:
        if excluded:
            # A pause that goes on, or is long, tells exclusions apart only when it is read.
            return outcome in ("excluded", "paused", "cancelled", "missed")
        return outcome != "excluded"

    def _named_within(self, row: LedgerRow) -> int:
        return sum(row.covers(instant) for instant in self._era_of)

    def _is_behind_its_last_run(self, instant: datetime, era: Era) -> bool:
        most = era.schedule.get("max_runs")
        counted = [
            one
            for one, runs in self._runs.items()
            if era.after < one <= era.to and any(_counted(run, era) for run in runs)
        ]
        if most is None:
            return False
        # What an edit or a pause withdrew had been claimed, and counted until then.
        withdrawn = [
            one
            for row in self._ledger
            if row.last is not None and (row.outcome == "cancelled" or self._was_late(row))
            for one in era.instants_within(row.first, row.last)
        ]
        claimed = counted + withdrawn
        return len(claimed) >= most and instant > max(claimed)

    def _was_late(self, row: LedgerRow) -> bool:
        """Whether a pause withdrew what had been due before it."""
        before = [
            one.action
            for one in self._history.audit
            if one.object_id == self._job.id
            and one.action in ("job.paused", "job.resumed")
            and one.at < row.first
        ]
        return row.outcome == "paused" and before[-1:] != ["job.paused"]

    def _is_patient(self) -> bool:
        policy = self._job.body.get("catchup", {})
        return (
            policy.get("coalesce") == "all"
            and policy.get("limit", 0) >= 1_000
            and policy.get("window", 0) * SECOND >= PATIENT
        )

    def _violation(self, said: str, at: datetime) -> Violation:
        return Violation(promise="accounting", said=said, at=at, job_id=self._job.id)


def _counted(run: Run, era: Era) -> bool:
    """Whether a run counted towards `max_runs` as long as its schedule held."""
    return run.state not in LET_GO or (run.finished_at is not None and run.finished_at > era.to)
