"""How a row of `runs` becomes a Run."""

from __future__ import annotations

import asyncpg

from domain.run import Run, RunState, Trigger

RUN_COLUMNS = ", ".join(Run.__struct_fields__)


def run_of(row: asyncpg.Record) -> Run:
    """The run of a row that holds `RUN_COLUMNS`, maybe among others."""
    fields = {name: row[name] for name in Run.__struct_fields__}
    fields["state"] = RunState(row["state"])
    fields["trigger"] = Trigger(row["trigger"])
    return Run(**fields)
