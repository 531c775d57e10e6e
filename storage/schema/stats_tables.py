"""The tables of statistics, beside those of storage.schema.tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from storage.schema.columns import INSTANT, metadata

# A log that is short-lived and read in whole batches: of all tables with a service's data, the
# only one that is not keyed by the service.
run_events = Table(
    "run_events",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("count", Integer, nullable=False),
    # One entry a run.
    Column("service_ids", ARRAY(Uuid), nullable=False),
    Column("job_ids", ARRAY(Uuid), nullable=False),
    Column("states", ARRAY(Text), nullable=False),
    Column("lateness_ms", ARRAY(Double), nullable=False),
    Column("duration_ms", ARRAY(Double), nullable=False),
    # Null in events of older code.
    Column("overlap_wait_ms", ARRAY(Double)),
    Column("finished_at", ARRAY(INSTANT), nullable=False),
)


def _figures() -> list[Column[object]]:
    """What both kinds of buckets tell."""
    return [
        Column("succeeded", Integer, nullable=False),
        Column("failed", Integer, nullable=False),
        Column("cancelled", Integer, nullable=False),
        Column("skipped_overlap", Integer, nullable=False),
        Column("missed", Integer, nullable=False, server_default=text("0")),
        # Sketches, as domain.runs.sketch reads them, and the greatest value of each.
        Column("lateness", LargeBinary, nullable=False),
        Column("lateness_max", Double),
        Column("duration", LargeBinary, nullable=False),
        Column("duration_max", Double),
        Column("overlap_wait", LargeBinary, nullable=False, server_default=text("''")),
        Column("overlap_wait_max", Double),
        # Values that were added to the sketches since they were last made compact.
        Column("loose", Integer, nullable=False),
        Column("last_success_at", INSTANT),
        Column("last_failure_at", INSTANT),
        Column("updated_at", INSTANT, nullable=False),
    ]


job_stats = Table(
    "job_stats",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("day", INSTANT, nullable=False),
    *_figures(),
    PrimaryKeyConstraint("service_id", "job_id", "day"),
    Index("job_stats_by_day", "day", postgresql_using="brin"),
)

service_stats = Table(
    "service_stats",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("hour", INSTANT, nullable=False),
    *_figures(),
    PrimaryKeyConstraint("service_id", "hour"),
    Index("service_stats_by_hour", "hour", postgresql_using="brin"),
)
