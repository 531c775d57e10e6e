"""The tables of services and of who acts in them, beside those of storage.schema.tables."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from domain.access.scopes import Role
from storage.schema.columns import INSTANT, metadata, stored_enum

services = Table(
    "services",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # As storage.services.signing_secrets writes them.
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
    # The key of the same service that made it, with which it is revoked.
    Column("made_by", Uuid),
    PrimaryKeyConstraint("service_id", "hash"),
    Index("api_keys_by_id", "service_id", "id", unique=True),
)

# People by the `sub` of their identity provider.
members = Table(
    "members",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("role", stored_enum(Role), nullable=False),
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
    # As storage.crypto.encryption_keys.Sealed has it.
    Column("key_id", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "name"),
)

# Changes of calendars which not all jobs that name them have been brought up to
# (storage.jobs.calendar_changes).
calendar_changes = Table(
    "calendar_changes",
    metadata,
    Column("service_id", Uuid, ForeignKey("services.id"), nullable=False),
    # Of one service in the order of their commits.
    Column("id", BigInteger, autoincrement=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    # What the calendar held before.
    Column("exclude", JSON, nullable=False),
    # The jobs up to this id have been looked at.
    Column("done_to", Uuid),
    Column("continue_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "id"),
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

# The trace in which a job or run was asked for, if that request was traced (storage.tracing.stored_traces).
traces = Table(
    "traces",
    metadata,
    Column("service_id", Uuid, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("noted_at", INSTANT, nullable=False),
    PrimaryKeyConstraint("service_id", "id"),
    Index("traces_by_age", "noted_at"),
    prefixes=["UNLOGGED"],
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
# give it (storage.services.idempotency).
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
