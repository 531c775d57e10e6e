"""The tables, as SQLAlchemy knows them; migrations/ makes them.

Every key starts with `service_id`, so that a service can live on any shard, and a shard may itself
be a distributed Postgres.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Computed,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP, TSVECTOR

from domain.access import Role
from domain.backfill import BackfillState
from domain.catchup import Outcome as FireOutcome
from domain.overlap import Overlap
from domain.run import Outcome, RunState, Trigger

metadata = MetaData()
INSTANT = TIMESTAMP(timezone=True)


def _enum(kind: type[StrEnum]) -> Enum:
    """Stored as text with room to grow: a new member needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        length=32,
        create_constraint=False,
        values_callable=lambda members: [member.value for member in members],
    )


services = Table(
    "services",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # As storage.signing_secrets writes them.
    Column("signing_secrets", ARRAY(Text), nullable=False),
    Column("limits", JSON, nullable=False, server_default="{}"),
    Column("created_at", INSTANT, nullable=False),
    # Those with a limit of their own of runs a minute, which each claim asks for.
    Index(
        "services_with_fire_limit",
        "id",
        postgresql_where=text("limits->>'fires_per_minute' IS NOT NULL"),
    ),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    # The person whose key it is, if it is not the service's own.
    Column("subject", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT),
    Column("revoked_at", INSTANT),
    Column("last_used_at", INSTANT),
    PrimaryKeyConstraint("service_id", "hash"),
    Index("api_keys_by_id", "service_id", "id", unique=True),
)

# People by the `sub` of their identity provider.
members = Table(
    "members",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("role", _enum(Role), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "subject"),
    Index("members_by_subject", "subject", "service_id"),
)

# Values that targets refer to. Which jobs do, is in `listings`.
secrets = Table(
    "secrets",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
    Column("name", Text, nullable=False),
    # As storage.key_ring.Sealed has it.
    Column("key_id", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "name"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    # `json` keeps the text as it was sent: a target's body is delivered byte for byte, and may hold
    # what `jsonb` refuses (an escaped NUL). Written from Structs, read by storage.jobs.job_of.
    Column("schedule", JSON, nullable=False),
    Column("target", JSON, nullable=False),
    Column("retry", JSON, nullable=False),
    Column("overlap", _enum(Overlap), nullable=False, server_default="skip"),
    Column("catchup", JSON, nullable=False, server_default="{}"),
    # The calendars that the schedule names.
    Column("calendars", ARRAY(Text), nullable=False, server_default="{}"),
    Column("paused", Boolean, nullable=False),
    Column("pause_reason", Text),
    # The first fire time that no dispatcher has claimed; none when paused or at the end.
    Column("next_fire_for", INSTANT),
    # When its run is due: later than that by the jitter.
    Column("next_claim_at", INSTANT),
    # What the schedule names up to here has its outcome, as a run or in the ledger.
    Column("accounted_to", INSTANT, nullable=False),
    # Runs of the schedule, kept for jobs whose schedule bounds them.
    Column("run_count", Integer, nullable=False, server_default="0"),
    # The fire times claimed last: they are still to come for a reader (domain.job.visible_state).
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

# How many jobs a service has, in several rows: who makes jobs at the same time seldom meets.
job_counts = Table(
    "job_counts",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("slot", SmallInteger, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("service_id", "slot"),
    postgresql_with={"fillfactor": "50"},
)

# How many runs of a service's schedules ring in a minute, where that may come near its limit. Lost
# when Postgres crashes, which costs a minute's count.
fire_counts = Table(
    "fire_counts",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("minute", INSTANT, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("service_id", "minute"),
    prefixes=["UNLOGGED"],
)

# What else lists look jobs up by. Each claim writes a job's row anew, into every index of `jobs`;
# here nothing moves unless somebody changes the job (storage.listings).
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
    Column("trigger", _enum(Trigger), nullable=False),
    Column("state", _enum(RunState), nullable=False),
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
    Column("overlap", _enum(Overlap), nullable=False, server_default="allow_all"),
    # Whether it waits for the job's turn (domain.overlap).
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
    Column("outcome", _enum(Outcome), nullable=False),
    Column("status_code", SmallInteger),
    Column("error", Text),
    Column("response_excerpt", Text),
    PrimaryKeyConstraint("service_id", "run_id", "number", "scheduled_for"),
    postgresql_partition_by="RANGE (scheduled_for)",
)

# Whose turn it is: the run of each job that began last, if its policy is not `allow_all`. Another
# begins when that one has ended, or as the policy says; this row is the lock that decides it.
turns = Table(
    "turns",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("scheduled_for", INSTANT, nullable=False),
    # Whether runs may wait for the turn.
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
    Column("outcome", _enum(FireOutcome), nullable=False),
    Column("count", Integer),
    PrimaryKeyConstraint("service_id", "job_id", "last", "first"),
    postgresql_partition_by="RANGE (last)",
)

calendars = Table(
    "calendars",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
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
    Column("overlap", _enum(Overlap), nullable=False),
    Column("only_missing", Boolean, nullable=False),
    Column("runs_per_minute", Integer, nullable=False),
    Column("state", _enum(BackfillState), nullable=False),
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

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("heartbeat_at", INSTANT, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("principal", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_id", Uuid, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("details", JSON, nullable=False),
    PrimaryKeyConstraint("service_id", "at", "id"),
    postgresql_partition_by="RANGE (at)",
)

# What was answered under each idempotency key; no answer yet only within the transaction that is to
# give it (storage.idempotency).
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("route", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("claimed_at", INSTANT, nullable=False),
    Column("status", SmallInteger),
    Column("headers", JSON),
    Column("body", LargeBinary),
    PrimaryKeyConstraint("service_id", "route", "key"),
    Index("idempotency_keys_by_age", "claimed_at"),
)
