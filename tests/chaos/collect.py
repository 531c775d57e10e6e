"""Reads what is stored in the end, for the checks to judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.chaos.history import (
    Attempt,
    AuditRow,
    Backfill,
    Complaint,
    History,
    JobRow,
    LedgerRow,
    Run,
    grouped,
)
from tests.chaos.nominal import parsed
from tests.chaos.scene import Scene
from tests.chaos.service import Service

COMPARED = 12
"""Jobs of each service whose ledger is read through the API."""
_JOBS = "SELECT id::text, paused, next_fire_for IS NOT NULL AS has_next, run_count FROM jobs"
_AUDIT = """
SELECT object_id::text, action, at, details::text FROM audit
WHERE action LIKE 'job.%' ORDER BY at, id
"""
_RUNS = """
SELECT id::text, job_id::text, scheduled_for, due_at, trigger, state, overlap, generation,
    attempt_count, open AS is_open, started_at, finished_at, lateness_ms, reason,
    backfill_id::text
FROM runs
"""
_ATTEMPTS = """
SELECT run_id::text, number, started_at, finished_at, outcome, status_code FROM attempts
"""
_LEDGER = """
SELECT job_id::text, first, NULLIF(last, 'infinity') AS last, outcome, count FROM ledger
"""
_BACKFILLS = """
SELECT id::text, job_id::text, start_at, end_at, only_missing, state, total, created_at
FROM backfills
"""


def collect(history: History, scene: Scene, services: Iterable[Service]) -> None:
    """Fill a history with what the database holds, and what services were told."""
    history.job_rows = {row["id"]: JobRow(**row) for row in scene.execute(_JOBS)}
    history.audit = [_audit(row) for row in scene.execute(_AUDIT)]
    history.runs = [Run(**row) for row in scene.execute(_RUNS)]
    history.attempts = [Attempt(**row) for row in scene.execute(_ATTEMPTS)]
    history.ledger = [LedgerRow(**row) for row in scene.execute(_LEDGER)]
    history.backfills = [Backfill(**row) for row in scene.execute(_BACKFILLS)]
    for service in services:
        history.jobs |= service.jobs
        history.patches |= service.patches
        history.ops += service.ops
        history.complaints += service.complaints


def ledger_complaints(history: History, services: Iterable[Service]) -> Iterator[Complaint]:
    """What the API tells of some jobs' fire times that differs from what is stored."""
    stored, runs = grouped(history.ledger, "job_id"), history.runs_of()
    for service in services:
        known = [job_id for job_id in service.jobs if job_id in history.job_rows]
        for job_id in known[:: max(len(known) // COMPARED, 1)]:
            told = list(service.pages(f"/jobs/{job_id}/ledger", limit=200))
            ran = {run.id for run in runs.get(job_id, []) if run.trigger == "schedule"}
            unrun = {_stretch(row) for row in stored.get(job_id, []) if row.last}
            missing = ran ^ {one["run_id"] for one in told if one["run_id"]} | unrun - {
                (parsed(one["scheduled_for"]), parsed(one["until"] or one["scheduled_for"]))
                for one in told
            }
            if missing:
                said = f"its ledger and what is stored differ by {list(missing)[:5]}"
                yield Complaint(promise="ledger", at=datetime.now(UTC), said=said, job_id=job_id)


def _stretch(row: LedgerRow) -> tuple[datetime, datetime]:
    return row.first, row.last or row.first


def stats_of(service: Service, since: datetime) -> dict[str, int]:
    """How many runs ended how, as the service is told."""
    told = service.get("/stats", **{"from": since.isoformat()})
    return dict(told["counts"]) if told else {}


def _audit(row: Any) -> AuditRow:
    return AuditRow(
        object_id=row["object_id"],
        action=row["action"],
        at=row["at"],
        details=msgspec.json.decode(row["details"]),
    )
