"""What is cached of jobs: the bytes that clients are answered."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.jobs.job import Job, JobState, visible_state
from storage.cache.cache_entry import DELETED, kept_until
from storage.cache.read_cache import Loaded, digest
from storage.cache.shared_cache import NewCacheEntry
from storage.documents.instants import instant, instant_or_none
from storage.documents.job import JobResource
from storage.jobs.rows import encode, shown_schedule

NOT_FOUND_LIFE = timedelta(seconds=5)


def cache_entry_name(job_id: UUID) -> str:
    """The name under which a job is cached."""
    return f"job:{job_id.hex}"


def cache_entry_of(job: Job, now: datetime) -> NewCacheEntry:
    """What a command made of a job."""
    body = encode(JobResource.of(job))
    return NewCacheEntry(
        name=cache_entry_name(job.id),
        version=job.version,
        until=kept_until(now, job.next_fire_at),
        etag=_etag_of(job.version, body),
        body=body,
    )


def cache_entry_of_deleted(job_id: UUID, now: datetime) -> NewCacheEntry:
    """What is left of a job that exists no more."""
    return NewCacheEntry(
        name=cache_entry_name(job_id),
        version=DELETED,
        until=kept_until(now, None),
        etag="",
        body=b"",
    )


def loaded_job(row: asyncpg.Record | None, now: datetime) -> Loaded:
    """What a query found of a job."""
    if row is None:
        return Loaded(version=0, until=kept_until(now, None, NOT_FOUND_LIFE), etag="", body=b"")
    body = encoded_job(row, now)
    return Loaded(
        version=row["version"],
        until=kept_until(now, _next_fire_of(row, now)),
        etag=_etag_of(row["version"], body),
        body=body,
    )


def encoded_job(row: asyncpg.Record, now: datetime) -> bytes:
    """A job as it is answered."""
    return encode(_resource_of(row, *_visible(row, now)))


def _next_fire_of(row: asyncpg.Record, now: datetime) -> datetime | None:
    """When a job changes by itself: at its next fire time."""
    return _visible(row, now)[1]


def _etag_of(version: int, body: bytes) -> str:
    """A job's entity tag: another one for whatever is shown, also when it fires next.

    `If-Match` goes by the version alone: what its service made of the job.
    """
    return f'"{version}-{digest(body)}"'


def _visible(row: asyncpg.Record, now: datetime) -> tuple[JobState, datetime | None]:
    return visible_state(
        paused=row["paused"],
        next_fire_for=row["next_fire_for"],
        claimed_for=row["claimed_for"],
        now=now,
    )


def _resource_of(
    row: asyncpg.Record, state: JobState, next_fire_at: datetime | None
) -> JobResource:
    # What is stored as clients are answered is not looked into.
    return JobResource(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        tags=row["tags"],
        schedule=shown_schedule(row["schedule"]),
        target=_raw(row["target"]),
        retry=_raw(row["retry"]),
        overlap=row["overlap"],
        catchup=_raw(row["catchup"]),
        state=state,
        next_fire_at=instant_or_none(next_fire_at),
        pause_reason=row["pause_reason"],
        version=row["version"],
        created_at=instant(row["created_at"]),
        updated_at=instant(row["updated_at"]),
    )


def _raw(text: str) -> Any:
    return msgspec.Raw(text)
