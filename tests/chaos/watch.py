"""Looks, while it goes on, at what nobody could tell afterwards."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from tests.chaos.history import Complaint
from tests.chaos.scene import Scene

EVERY_SECONDS = 2.0
MOST_COMPLAINTS = 20

_WRITTEN_OFF = """
SELECT job_id::text, first, last, outcome, clock_timestamp() AS now FROM ledger
WHERE outcome IN ('missed', 'coalesced', 'quota') AND last <> 'infinity'
    AND first > clock_timestamp() + interval '1.5 seconds'
LIMIT 5
"""

# What a process may say as an error, and why that is no fault of it.
EXPLAINED = (
    # A process that is denied memory says so, in whatever it does at the moment.
    re.compile(r"MemoryError|Cannot allocate memory|can't start new thread"),
)


class Watch:
    """A thread that looks every two seconds."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._stop = threading.Event()
        self._seen: set[tuple[str, datetime]] = set()
        self.complaints: list[Complaint] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look for the last time."""
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.complaints += self._scene.crowd.ended_by_themselves()
            try:
                rows = self._scene.execute(_WRITTEN_OFF)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                continue  # the primary is away
            for row in rows:
                self._written_off(row)

    def _written_off(self, row: asyncpg.Record) -> None:
        key = (row["job_id"], row["first"])
        if key not in self._seen and len(self.complaints) < MOST_COMPLAINTS:
            self._seen.add(key)
            said = f"{row['outcome']} is said of {row['first']}, at {row['now']}"
            self.complaints.append(
                Complaint(promise="clocks", at=datetime.now(UTC), said=said, job_id=row["job_id"])
            )


def errors_in(logs: list[Path]) -> Iterator[Complaint]:
    """Errors and tracebacks in what processes printed that nothing explains; each kind once."""
    seen: set[str] = set()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            kind, at = _error(line)
            if kind is None or (kind in seen) or any(one.search(line) for one in EXPLAINED):
                continue
            seen.add(kind)
            said = f"{log.name}: {line[:3_000]}"
            yield Complaint(promise="logs", at=at or datetime.now(UTC), said=said)


def _error(line: str) -> tuple[str | None, datetime | None]:
    """What kind of error a line tells of, and when; or nothing."""
    try:
        told = msgspec.json.decode(line)
    except msgspec.DecodeError:
        is_trace = line.startswith("Traceback") or "Fatal Python error" in line
        return (line if is_trace else None), None
    if not isinstance(told, dict) or told.get("level") not in ("error", "critical", "exception"):
        return None, None
    last = str(told.get("exception", "")).strip().rpartition("\n")[2]
    return f"{told.get('event')} {last[:60]}", datetime.fromisoformat(told["timestamp"])
