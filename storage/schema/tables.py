"""The tables, as SQLAlchemy knows them; migrations/ makes them.

Every key starts with `service_id`, so that a service can live on any shard, and a shard may itself
be a distributed Postgres.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from domain.jobs.backfill import BackfillState
from domain.policies.catchup import Outcome as FireOutcome
from domain.policies.overlap import Overlap
from domain.runs.run import Outcome, RunState, Trigger
from storage.schema.columns import INSTANT, metadata, stored_enum
from storage.schema.service_tables import services

jobs = Table(
    "jobs",
    metadata,
    Column("service_id", Uuid, ForeignKey(services.c.id), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    # `json` keeps the text as it was sent: a target's body is delivered byte for byte, and may hold
    # what `jsonb` refuses (an escaped NUL). Written from Structs, read by storage.jobs.rows.job_of.
    Column("schedule", JSON, nullable=False),
    Column("target", JSON, nullable=False),
    Column("retry", JSON, nullable=False),
    Column("overlap", stored_enum(Overlap), nullable=False, server_default="skip"),
    Column("catchup", JSON, nullable=False, server_default="{}"),
    # The calendars that the schedule names.
    Column("calendars", ARRAY(Text), nullable=False, server_default="{}"),
    # The last change of one of them that the job was brought up to (storage.jobs.calendar_changes).
    Column("calendar_change", BigInteger),
    Column("paused", Boolean, nullable=False),
    Column("pause_reason", Text),
    # The first fire time that no dispatcher has claimed, or where the search for it goes on
    # (domain.schedules.fire_times.next_fire_time); none when paused or at the end. When it is not
    # later than `accounted_to`, the job has had its number of runs (storage.jobs.last_runs).
    Column("next_fire_for", INSTANT),
    # When its run is due: later than that by the jitter; or when to look at the last run again.
    Column("next_claim_at", INSTANT),
    # What the schedule names up to here has its outcome, as a run or in the ledger.
    Column("accounted_to", INSTANT, nullable=False),
    # Runs of the schedule, kept for jobs whose schedule bounds them.
    Column("run_count", Integer, nullable=False, server_default="0"),
    # The fire times claimed last, which to a reader are still to come
    # (domain.jobs.job.visible_state).
    Column("claimed_for", ARRAY(INSTANT), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "id"),
    Index("jobs_to_claim", "next_claim_at", postgresql_where=text("next_claim_at IS NOT NULL")),
    # For services to take turns when more is due than one claim takes.
    Index(
        "jobs_to_claim_of_service",
        "service_id",
        "next_claim_at",
        postgresql_where=text("next_claim_at IS NOT NULL"),
    ),
    Index(
        "jobs_by_calendar",
        "calendars",
        postgresql_using="gin",
        postgresql_where=text("calendars <> '{}'"),
    ),
    Index(
        "jobs_to_fire",
        "service_id",
        "next_fire_for",
        "id",
        postgresql_where=text("next_fire_for IS NOT NULL"),
    ),
    Index("jobs_idle", "service_id", "id", postgresql_where=text("next_fire_for IS NULL")),
    Index("jobs_paused", "service_id", "id", postgresql_where=text("paused")),
)

# What else lists look jobs up by. Each claim writes a job's row anew, into every index of `jobs`;
# here nothing moves unless somebody changes the job (storage.jobs.search_index).
listings = Table(
    "listings",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("terms", TSVECTOR, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "id"),
    # Without a list of what is to be added to it, through which each search would have to go.
    Index(
        "listings_by_term",
        "terms",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    ),
    Index("listings_by_update", "service_id", "updated_at", "id"),
)

runs = Table(
    "runs",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("scheduled_for", INSTANT, nullable=False),
    # 0 is the fire time's own run; backfills and replays of it count on.
    Column("generation", SmallInteger, nullable=False, server_default="0"),
    Column("id", Uuid, nullable=False),
    # What clocks showed then, in seconds east of UTC.
    Column("utc_offset", Integer, nullable=False, server_default="0"),
    Column("due_at", INSTANT, nullable=False),
    Column("trigger", stored_enum(Trigger), nullable=False),
    Column("state", stored_enum(RunState), nullable=False),
    # False once the state is final. No index names `state` or `held_by`, not even in its condition,
    # so that their changes stay in the page.
    Column("open", Boolean, nullable=False),
    Column("attempt_count", SmallInteger, nullable=False),
    # The dispatcher or worker process that has the run in hand.
    Column("held_by", Uuid),
    # When a dispatcher is to claim it: `due_at` for a retry, later for a run whose target rests.
    Column("retry_at", INSTANT),
    Column("attempt_started_at", INSTANT),
    Column("started_at", INSTANT),
    Column("finished_at", INSTANT),
    Column("lateness_ms", Double),
    # How long it waited for its job's overlap lock before its first attempt; null if it did not.
    Column("overlap_wait_ms", Double),
    Column("overlap", stored_enum(Overlap), nullable=False, server_default="allow_all"),
    # Whether it waits for the job's overlap lock (domain.policies.overlap).
    Column("buffered", Boolean, nullable=False, server_default=text("false")),
    # Whether its worker is to cut off the attempt that rings.
    Column("abort", Boolean, nullable=False, server_default=text("false")),
    # True in state failed: dead letters, and whether a replay was made of it.
    Column("failed", Boolean, nullable=False, server_default=text("false")),
    Column("replayed", Boolean, nullable=False, server_default=text("false")),
    # A column of its own, since an index that names `state` would make each change of it costly.
    Column(
        "let_go",
        Boolean,
        Computed("state IN ('cancelled', 'skipped_overlap')", persisted=True),
        nullable=False,
    ),
    Column("backfill_id", Uuid),
    # Why it was cancelled or let go.
    Column("reason", Text),
    PrimaryKeyConstraint("service_id", "job_id", "scheduled_for", "generation"),
    Index("runs_by_id", "service_id", "id"),
    Index("runs_open", "due_at", postgresql_where=text("open")),
    Index("runs_to_retry", "retry_at", postgresql_where=text("retry_at IS NOT NULL")),
    Index(
        "runs_to_retry_of_service",
        "service_id",
        "retry_at",
        postgresql_where=text("retry_at IS NOT NULL"),
    ),
    Index("runs_buffered", "service_id", "job_id", postgresql_where=text("buffered")),
    # Of each job, in which order those begin that are to begin in order.
    Index(
        "runs_in_order",
        "service_id",
        "job_id",
        "due_at",
        "id",
        postgresql_where=text("open AND overlap = 'buffer_all'"),
    ),
    Index("runs_to_abort", "service_id", "id", postgresql_where=text("abort")),
    Index("runs_failed", "service_id", "id", postgresql_where=text("failed")),
    Index("runs_open_of_service", "service_id", "id", postgresql_where=text("open")),
    Index("runs_let_go", "service_id", "id", postgresql_where=text("let_go")),
    Index("runs_by_hand", "service_id", "id", postgresql_where=text("trigger <> 'schedule'")),
    postgresql_partition_by="RANGE (scheduled_for)",
)

attempts = Table(
    "attempts",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("scheduled_for", INSTANT, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT, nullable=False),
    Column("outcome", stored_enum(Outcome), nullable=False),
    Column("status_code", SmallInteger),
    Column("error", Text),
    Column("response_excerpt", Text),
    PrimaryKeyConstraint("service_id", "run_id", "number", "scheduled_for"),
    postgresql_partition_by="RANGE (scheduled_for)",
)

# Overlap locks: the run of each job that began last, if its policy is not `allow_all`. Another
# begins when that one has ended, or as the policy says; whoever decides it locks this row.
turns = Table(
    "turns",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("scheduled_for", INSTANT, nullable=False),
    # Whether runs may wait for the lock.
    Column("contended", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("service_id", "job_id"),
    Index("turns_contended", "service_id", "job_id", postgresql_where=text("contended")),
)

# Fire times without a run, in stretches of one outcome; the others are in `runs`. A stretch that
# goes on (a pause) has no end: its `last` is infinity.
ledger = Table(
    "ledger",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("first", INSTANT, nullable=False),
    Column("last", INSTANT, nullable=False),
    Column("outcome", stored_enum(FireOutcome), nullable=False),
    Column("count", Integer),
    PrimaryKeyConstraint("service_id", "job_id", "last", "first"),
    postgresql_partition_by="RANGE (last)",
)

calendars = Table(
    "calendars",
    metadata,
    Column("service_id", Uuid, ForeignKey(services.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("exclude", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "name"),
)

backfills = Table(
    "backfills",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("start_at", INSTANT, nullable=False),
    Column("end_at", INSTANT, nullable=False),
    Column("overlap", stored_enum(Overlap), nullable=False),
    Column("only_missing", Boolean, nullable=False),
    Column("runs_per_minute", Integer, nullable=False),
    Column("state", stored_enum(BackfillState), nullable=False),
    # Fire times in the range, those looked at, and those of them that got a run.
    Column("total", Integer, nullable=False),
    Column("done_count", Integer, nullable=False),
    Column("run_count", Integer, nullable=False),
    # The last fire time looked at, and when the next ones are.
    Column("position", INSTANT, nullable=False),
    Column("continue_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    PrimaryKeyConstraint("service_id", "id"),
    Index("backfills_of_job", "service_id", "job_id", "id"),
    Index("backfills_to_continue", "continue_at", postgresql_where=text("continue_at IS NOT NULL")),
)

retention = Table(
    "retention",
    metadata,
    Column("only_one", Boolean, primary_key=True, server_default=text("true")),
    Column("kept_from", Date, nullable=False),
    CheckConstraint("only_one"),
)

# Of the primary's WAL. A server that has a row has replayed what the primary of that timeline
# wrote; one that parted from it before has not, however far it went on by itself.
timelines = Table(
    "timelines",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
)
