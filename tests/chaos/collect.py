"""Reads what is stored in the end, for the checks to judge."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from tests.chaos.history import (
    Attempt,
    AuditRow,
    Backfill,
    History,
    JobRow,
    LedgerRow,
    Run,
)
from tests.chaos.scene import Scene
from tests.chaos.service import Service

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
