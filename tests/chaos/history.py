"""What happened in one seed: all that the checks judge by, and nothing of Tocsin's code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from tests.chaos.pressure import BUSY

NO_OVERLAP = ("skip", "buffer_one", "buffer_all", "cancel_other")
JUST_BEFORE = timedelta(seconds=10)
FINAL = ("succeeded", "failed", "cancelled", "skipped_overlap", "missed")
LET_GO = ("skipped_overlap", "missed")


class Fault(Struct, frozen=True, kw_only=True):
    """A disturbance, from when it was made until it was healed."""

    kind: str
    target: str
    begun_at: datetime
    healed_at: datetime

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Whether it was there at some instant of the span."""
        return self.begun_at <= end and self.healed_at >= start


class Op(Struct, frozen=True, kw_only=True):
    """A call of the API; `status` is None where the answer was lost."""

    number: int
    kind: str
    service_id: str
    sent_at: datetime
    ended_at: datetime
    status: int | None
    job_id: str | None = None
    detail: str = ""
    answer: Mapping[str, Any] = {}

    @property
    def accepted(self) -> bool:
        """Whether it was done for certain."""
        return self.status is not None and self.status < 300

    @property
    def is_unknown(self) -> bool:
        """Whether it may have been done all the same."""
        return self.status is None or self.status >= 500


class Job(Struct, frozen=True, kw_only=True):
    """A job that was accepted, with the body of its creation."""

    id: str
    service_id: str
    body: Mapping[str, Any]
    name: str = ""


class JobRow(Struct, frozen=True, kw_only=True):
    """What the database says of a job in the end."""

    id: str
    paused: bool
    has_next: bool
    run_count: int


class AuditRow(Struct, frozen=True, kw_only=True):
    """A command that was done, at the instant that it went by."""

    object_id: str
    action: str
    at: datetime
    details: Mapping[str, Any] = {}


class Run(Struct, frozen=True, kw_only=True):
    id: str
    job_id: str
    scheduled_for: datetime
    due_at: datetime
    trigger: str
    state: str
    overlap: str = "allow_all"
    generation: int = 0
    attempt_count: int = 0
    is_open: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lateness_ms: float | None = None
    reason: str | None = None
    backfill_id: str | None = None

    @property
    def ended_with_its_first(self) -> bool:
        """Whether its `due_at` is that of its first attempt."""
        return self.attempt_count == 1 and self.state in ("succeeded", "failed")


class Attempt(Struct, frozen=True, kw_only=True):
    run_id: str
    number: int
    started_at: datetime
    finished_at: datetime
    outcome: str
    status_code: int | None = None


class LedgerRow(Struct, frozen=True, kw_only=True):
    """`last` is None where the stretch goes on."""

    job_id: str
    first: datetime
    last: datetime | None
    outcome: str
    count: int | None = None

    def covers(self, instant: datetime) -> bool:
        """Whether the instant lies in the stretch."""
        return self.first <= instant and (self.last is None or instant <= self.last)


class Delivery(Struct, frozen=True, kw_only=True):
    """A request at the receiver, with both clocks; `ended` is when it was answered or cut off."""

    webhook_id: str
    attempt: int
    path: str
    arrived_at: datetime
    arrived: float
    ended: float
    status: int
    """What was sent back; 0 where the caller had gone, or nothing was."""


class Backfill(Struct, frozen=True, kw_only=True):
    id: str
    job_id: str
    start_at: datetime
    end_at: datetime
    only_missing: bool
    state: str
    total: int
    created_at: datetime


class Pressure(Struct, frozen=True, kw_only=True):
    """For which percentage of a moment somebody waited for a processor."""

    at: datetime
    percent: float


class Complaint(Struct, frozen=True, kw_only=True):
    """What somebody saw on the spot: a process that ended, a line of a log, a read that is old."""

    promise: str
    at: datetime
    said: str
    job_id: str | None = None


class Violation(Struct, frozen=True, kw_only=True):
    promise: str
    said: str
    at: datetime | None = None
    job_id: str | None = None


class History(Struct, kw_only=True):
    """All of it.

    Attributes:
        judged_to: Up to here every nominal instant has its outcome.
        patches: What was asked for, by the description that the job was given with it.
        too_busy: Whether runs still ended steadily when all was read: what was open is not judged.
        pressures: What the machine was busy with, every few seconds, oldest first.
        service_stats: Counts by state, as each service's statistics have them in the end.
    """

    seed: int
    begun_at: datetime
    judged_to: datetime
    jobs: dict[str, Job] = field(default_factory=dict)
    job_rows: dict[str, JobRow] = field(default_factory=dict)
    audit: list[AuditRow] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    backfills: list[Backfill] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    patches: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    too_busy: bool = False
    pressures: list[Pressure] = field(default_factory=list)
    service_stats: dict[str, dict[str, int]] = field(default_factory=dict)

    def runs_of(self) -> dict[str, list[Run]]:
        """Runs by job."""
        return grouped(self.runs, "job_id")

    def faults_between(self, start: datetime, end: datetime, *kinds: str) -> Iterator[Fault]:
        """Those there at some instant of the span; of these kinds, if any are named."""
        for fault in self.faults:
            if fault.overlaps(start, end) and (not kinds or fault.kind in kinds):
                yield fault

    def was_busy(self, start: datetime, end: datetime) -> bool:
        """Whether somebody waited for a processor most of the time, in a span or just before."""
        then = [one.percent for one in self.pressures if start - JUST_BEFORE <= one.at <= end]
        return bool(then) and sum(then) / len(then) >= BUSY

    def clock_was_wrong(self, start: datetime, end: datetime, *, within: timedelta) -> bool:
        """Whether some process's clock was shifted in a span, or shortly before or after it."""
        return any(self.faults_between(start - within, end + within, "clock"))


def grouped(things: list[Any], name: str) -> dict[str, list[Any]]:
    """Things by what they have under a name, in their order."""
    found: dict[str, list[Any]] = {}
    for thing in things:
        found.setdefault(getattr(thing, name), []).append(thing)
    return found
