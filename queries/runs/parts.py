"""What each filter of a list of runs comes to in SQL: a clause for every field of RunFilter."""

from __future__ import annotations

from sqlalchemy import (
    SmallInteger,
    Text,
    Uuid,
    any_,
    bindparam,
    exists,
    false,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain.runs.run import RunState
from queries.sql_parts import Clause, alone, if_given, number
from storage.runs.rows import SHOWN
from storage.schema.tables import attempts, jobs, runs

SERVICE_ID = bindparam("service_id", type_=Uuid)
SHOWN_RUN = [
    literal_column(shown, type_=runs.c[name].type).label(name) for name, shown in SHOWN.items()
]
"""The columns of a run as it is shown."""
_last_status = (
    select(attempts.c.status_code)
    .where(
        attempts.c.service_id == runs.c.service_id,
        attempts.c.run_id == runs.c.id,
        attempts.c.scheduled_for == runs.c.scheduled_for,
    )
    .order_by(attempts.c.number.desc())
    .limit(number(1))
    .correlate(runs)
    .scalar_subquery()
)
_TAGGED = exists(
    alone(
        select(jobs.c.id)
        .where(
            jobs.c.service_id == runs.c.service_id,
            jobs.c.id == runs.c.job_id,
            jobs.c.tags.contains(bindparam("tags", type_=ARRAY(Text))),
        )
        .correlate(runs)
    )
)


# Part of every statement: one with its plans for all partitions is large, so there should be few.
ALWAYS: dict[str, Clause] = {
    "states": if_given("states", ARRAY(Text), lambda states: runs.c.state == any_(states)),
    "trigger": if_given("trigger", Text, lambda trigger: runs.c.trigger == trigger),
    "job_id": if_given("job_id", Uuid, lambda job_id: runs.c.job_id == job_id),
}
"""Clauses of a filter's fields. A field's value is the parameter of its name."""
# Seldom asked for, and costly even to plan.
SELDOM: dict[str, Clause] = {
    "backfill_id": runs.c.backfill_id.is_not_distinct_from(bindparam("backfill_id", type_=Uuid)),
    "status_codes": func.coalesce(
        _last_status == any_(bindparam("status_codes", type_=ARRAY(SmallInteger))), false()
    ),
    "tags": _TAGGED,
}
WINDOW = {"since", "before"}
"""Fields that every list has, as the bounds of partitions."""

BY_HAND = "by_hand"
RARE: dict[str, Clause] = {
    "failed": runs.c.failed,
    "let_go": runs.c.let_go,
    "open": runs.c.open,
    BY_HAND: runs.c.trigger != literal_column("'schedule'"),
}
"""Conditions of indexes that hold few runs."""
RARE_STATES = {
    RunState.FAILED: "failed",
    RunState.CANCELLED: "let_go",
    RunState.SKIPPED_OVERLAP: "let_go",
    RunState.SCHEDULED: "open",
    RunState.QUEUED: "open",
    RunState.RUNNING: "open",
    RunState.RETRYING: "open",
}
