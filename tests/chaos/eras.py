"""The stretches of a job's life in which one schedule holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from tests.chaos.history import AuditRow, History, Job
from tests.chaos.nominal import TICK, instants, is_excluded, parsed

# What a job still owed at its deletion is not accounted for: it has no ledger any more.
OWED_AT_DELETION = timedelta(seconds=120)
# Runs may be claimed ahead.
AHEAD = timedelta(minutes=10)
# An edit is done later than it is asked for, where nobody knows when it was answered.
EDIT_TAKES = timedelta(seconds=10)


class Era(Struct, frozen=True, kw_only=True):
    """One schedule, for what it names later than `after`, up to `to`."""

    schedule: Mapping[str, Any]
    accepted_at: datetime
    after: datetime
    to: datetime
    held_to: datetime
    """Until then, what it names may have been claimed: the edit that ended it was not done."""

    def instants(self) -> list[datetime]:
        """What is named within it."""
        return instants(self.schedule, self.accepted_at, self.after, self.to)

    def instants_within(self, first: datetime, last: datetime) -> list[datetime]:
        """What is named within it, in a span."""
        start, end = max(self.after, first - TICK), min(self.to, last)
        return instants(self.schedule, self.accepted_at, start, end) if start < end else []

    def names(self, instant: datetime) -> bool:
        """Whether the schedule names an instant, within the era or not."""
        return bool(instants(self.schedule, self.accepted_at, instant - TICK, instant))

    def is_excluded(self, instant: datetime) -> bool:
        """Whether what is named at an instant does not fire."""
        return is_excluded(self.schedule, instant)


_IS_ANEW = {"schedule", "reset_run_count"}


def eras_of(job: Job, history: History, audit: list[AuditRow], to: datetime) -> list[Era]:
    """The eras of a job up to an instant, oldest first.

    Args:
        audit: The rows about this job, oldest first.
    """
    begun = [(row.at, job.body["schedule"]) for row in audit if row.action == "job.created"]
    begun += [
        (row.at, history.patches[row.details["after"]["description"]]["schedule"])
        for row in audit
        if row.action == "job.updated" and _IS_ANEW.intersection(row.details["changed"])
    ]
    if not begun:
        return []
    # What the old one names at the very instant of an edit is the new one's.
    ends = [at - TICK for at, _ in begun[1:]] + [to]
    return [
        Era(
            schedule=schedule,
            accepted_at=at,
            after=at - TICK,
            to=min(end, to),
            held_to=_done_at(job, history, end + TICK),
        )
        for (at, schedule), end in zip(begun, ends, strict=True)
    ]


def _done_at(job: Job, history: History, edited_at: datetime) -> datetime:
    """When an edit had been done for certain: when its call was answered, if it was."""
    return min(
        (
            op.ended_at
            for op in history.ops
            if op.job_id == job.id
            and op.kind == "patch"
            and op.accepted
            and op.sent_at - EDIT_TAKES <= edited_at <= op.ended_at
            and parsed(op.answer["updated_at"]) == edited_at
        ),
        default=edited_at + EDIT_TAKES,
    )


def horizon_of(history: History) -> datetime:
    """Up to here runs and ledgers may tell of instants: they go on while the seed is settled."""
    known = [row.at for row in history.audit] + [op.ended_at for op in history.ops]
    return max([history.judged_to, *known]) + AHEAD


def owed_to(audit: list[AuditRow], judged_to: datetime) -> datetime:
    """Up to here, each instant of a job must have its outcome."""
    deleted = [row.at - OWED_AT_DELETION for row in audit if row.action == "job.deleted"]
    return min([*deleted, judged_to])
