"""A job as it is cached, and answered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from domain.jobs.job import Job, JobState
from domain.policies.catchup import CatchupPolicy
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.targets import Target
from storage.documents.instants import Instant, instant, instant_or_none
from storage.documents.schedule import ScheduleResource


class JobResource(Struct, frozen=True, kw_only=True):
    """A job."""

    id: UUID
    name: str
    description: str
    tags: list[str]
    schedule: ScheduleResource
    target: Target
    retry: RetryPolicy
    overlap: Overlap
    catchup: CatchupPolicy
    state: JobState
    next_fire_at: Annotated[
        Instant | None,
        Meta(
            description="Nothing fires before it. Usually the next fire time; while more is "
            "excluded than is searched at once, how far that came; once `max_runs` are made, the "
            "last fire time until its run has ended"
        ),
    ]
    pause_reason: str | None
    version: int
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, job: Job) -> JobResource:
        return cls(
            id=job.id,
            name=job.name,
            description=job.description,
            tags=job.tags,
            schedule=ScheduleResource.of(job.schedule),
            target=job.target,
            retry=job.retry,
            overlap=job.overlap,
            catchup=job.catchup,
            state=job.state,
            next_fire_at=instant_or_none(job.next_fire_at),
            pause_reason=job.pause_reason,
            version=job.version,
            created_at=instant(job.created_at),
            updated_at=instant(job.updated_at),
        )
