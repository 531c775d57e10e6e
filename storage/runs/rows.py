"""How a row of `runs` becomes a Run."""

from __future__ import annotations

import asyncpg

from domain.runs.run import Run, RunState, Trigger


def lateness_ms(started_at: str) -> str:
    """How late a run's first attempt began, apart from its wait for the overlap lock."""
    late = f"extract(epoch FROM {started_at} - runs.due_at) * 1000"
    return f"greatest({late} - coalesce(runs.overlap_wait_ms, 0), 0)"


# A run's first start is in its row once that attempt ends; until then, in `attempt_started_at`.
_OF_FIRST_ATTEMPT = {
    "started_at": "attempt_started_at",
    "lateness_ms": lateness_ms("attempt_started_at"),
}
SHOWN = {
    name: f"coalesce({name}, CASE WHEN state = 'running' THEN {_OF_FIRST_ATTEMPT[name]} END)"
    if name in _OF_FIRST_ATTEMPT
    else name
    for name in Run.__struct_fields__
}
"""What each field of a Run is selected as from `runs`."""
SHOWN_COLUMNS = ", ".join(f"{shown} AS {name}" for name, shown in SHOWN.items())


def run_of(row: asyncpg.Record) -> Run:
    """The run of a row that holds `SHOWN_COLUMNS`, maybe among others."""
    fields = {name: row[name] for name in Run.__struct_fields__}
    fields["state"] = RunState(row["state"])
    fields["trigger"] = Trigger(row["trigger"])
    return Run(**fields)
