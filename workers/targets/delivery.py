"""What a target is told of its run, however it is rung."""

from __future__ import annotations

from commands.firing.take_runs import TakenRun
from storage.tracing.spans import active


def scheduled_for_of(run: TakenRun) -> str:
    """The fire time as everywhere: in UTC with microseconds."""
    # What Postgres answers is in UTC.
    return run.scheduled_for.isoformat(timespec="microseconds")[:-6] + "Z"


def traceparent_of(run: TakenRun) -> str:
    """The trace that the attempt belongs to; without traces the run is the trace."""
    tracing = active()
    told = tracing.traceparent() if tracing else None
    return told or f"00-{run.id.hex}-{run.number:016x}-01"
