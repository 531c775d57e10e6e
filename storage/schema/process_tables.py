"""The tables in which processes tell of themselves, as SQLAlchemy knows them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from storage.schema.columns import INSTANT, metadata

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("heartbeat_at", INSTANT, nullable=False),
    Column("clock_offset_ms", BigInteger),
    # The version of the tables of time zones that it reckons by; older code leaves it out.
    Column("tzdata", Text),
)

# The tables of time zones that jobs are reckoned by (storage.jobs.zone_tables).
zone_tables = Table(
    "zone_tables",
    metadata,
    Column("only_one", Boolean, primary_key=True, server_default=text("true")),
    Column("version", Text, nullable=False),
    # A pass over all jobs that began before this is not the last one.
    Column("settled_from", INSTANT, nullable=False),
    # The pass that was made last; while it is under way, how far it is: to the job with this key.
    Column("began_at", INSTANT),
    Column("reached_claim_at", INSTANT),
    Column("reached_service_id", Uuid),
    Column("reached_job_id", Uuid),
    # The process that makes it, as long as that beats.
    Column("held_by", Uuid),
    CheckConstraint("only_one"),
)
