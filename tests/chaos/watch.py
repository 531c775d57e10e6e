"""Looks, while it goes on, at what nobody could tell afterwards."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec

from tests.chaos.history import Complaint, Fault, Pressure
from tests.chaos.pressure import cpu_pressure
from tests.chaos.scene import AWAY, Scene

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
    re.compile(
        r"MemoryError|Cannot allocate memory|can't start new thread"
        r"|failed to map segment from shared object"
    ),
    # asyncpg, of a connection that was lost while it was made: whoever made it is told, too.
    re.compile(r"Future exception was never retrieved"),
    # Dramatiq calls it an error when its consumer loses Redis, and tries again.
    re.compile(r"Consumer encountered a connection error"),
    # Redis is away when runs are to be handed on that a worker does not take; they are sent anew.
    re.compile(r"Failed to process message ring_runs.*(ConnectionError|TimeoutError)"),
)
# While Valkey's disk is full it writes nothing. Dramatiq's consumer is made anew, each second; what
# was processed and could not be acknowledged is kept until its worker ends, and processed again.
_FULL = re.compile(r"MISCONF")
# A process that is denied memory may also fail to map a library, or to begin a thread.
_DENIED = re.compile(
    r"process\.failed|recorder\.(refused|\w+_not_passed)|Failed to process message|Traceback"
    r"|runs\.forgotten"
)
EXPLAINED_BY = (
    (_FULL, "disk", timedelta(seconds=10)),
    (_DENIED, "memory", timedelta(seconds=60)),
)

_CLOCK_WRONG = re.compile(r"([\d.]+) s (ahead|behind)")
CLOCKS_DIFFER = timedelta(seconds=1)
_CLOCK_SHIFTED = re.compile(r"shift_clock: (\S+) by (\S+) s")
MEASURED_WITHIN = timedelta(seconds=5)
"""A beat a second measures a clock, unless it waits for the primary."""


class Watch:
    """A thread that looks every two seconds."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._stop = threading.Event()
        self._seen: set[tuple[str, datetime]] = set()
        self.complaints: list[Complaint] = []
        self.pressures: list[Pressure] = []
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
            self.pressures.append(Pressure(at=datetime.now(UTC), percent=cpu_pressure()))
            self.complaints += self._scene.crowd.ended_by_themselves()
            try:
                rows = self._scene.execute(_WRITTEN_OFF)
            except AWAY:
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


def errors_in(logs: list[Path], faults: Sequence[Fault]) -> Iterator[Complaint]:
    """Errors and tracebacks in what processes printed that nothing explains; each kind once."""
    seen: set[str] = set()
    for log in logs:
        for line in _whole(log.read_text(errors="replace").splitlines()):
            if (error := _error(line)) is None or any(one.search(line) for one in EXPLAINED):
                continue
            kind, at, said = error
            if _is_of_a_fault(line, log.stem, at, faults):
                continue
            if kind.startswith("clock.wrong") and _is_shifted(log.stem, said, at, faults):
                continue
            if kind not in seen:
                seen.add(kind)
                yield Complaint(promise="logs", at=at, said=f"{log.name}: {kind}: {said}")


def _whole(lines: list[str]) -> Iterator[str]:
    """Lines; those of a bare traceback, up to what it says in the end, as one."""
    trace: list[str] = []
    for line in lines:
        if not trace and not line.startswith("Traceback"):
            yield line
            continue
        trace.append(line)
        if len(trace) > 1 and not line.startswith(" "):
            yield chr(10).join(trace)
            trace = []
    if trace:
        yield chr(10).join(trace)


def _error(line: str) -> tuple[str, datetime, str] | None:
    """What kind of error a line tells of, when, and its end."""
    try:
        told = msgspec.json.decode(line)
    except msgspec.DecodeError:
        is_trace = line.startswith("Traceback") or "Fatal Python error" in line
        return (line.rpartition(chr(10))[2], datetime.now(UTC), line) if is_trace else None
    if not isinstance(told, dict) or told.get("level") not in ("error", "critical", "exception"):
        return None
    said = str(told.get("exception", told)).strip()
    kind = f"{told.get('event')} {said.rpartition(chr(10))[2][:60]}"
    return kind, datetime.fromisoformat(told["timestamp"]), said[-800:]


def _is_of_a_fault(line: str, process: str, at: datetime, faults: Sequence[Fault]) -> bool:
    """Whether a fault was there that explains a line, by the clock that the process had."""
    shifts = [timedelta()]
    for fault in faults:
        shifted = _CLOCK_SHIFTED.search(fault.target)
        if shifted is not None and shifted[1] == process:
            shift = timedelta(seconds=float(shifted[2]))
            if fault.overlaps(at - shift - MEASURED_WITHIN, at - shift + MEASURED_WITHIN):
                shifts.append(shift)
    for said, kind, lasts in EXPLAINED_BY:
        if said.search(line) and any(
            fault.overlaps(at - shift - lasts, at - shift)
            for shift in shifts
            for fault in faults
            if fault.kind == kind and (kind == "disk" or f": {process}," in fault.target)
        ):
            return True
    return False


def _is_shifted(process: str, said: str, at: datetime, faults: Sequence[Fault]) -> bool:
    """Whether a process that holds its clock for wrong has one that was shifted so."""
    offsets = [timedelta(seconds=float(seconds)) for seconds, _ in _CLOCK_WRONG.findall(said)]
    for fault in faults:
        shifted = _CLOCK_SHIFTED.search(fault.target)
        if shifted is None or shifted[1] != process:
            continue
        shift = timedelta(seconds=float(shifted[2]))
        # It says so by the clock that is shifted, or by one that has just been set back.
        is_then = any(
            fault.overlaps(real - MEASURED_WITHIN, real + MEASURED_WITHIN)
            for real in (at - shift, at)
        )
        if is_then and any(abs(offset - abs(shift)) <= CLOCKS_DIFFER for offset in offsets):
            return True
    return False
