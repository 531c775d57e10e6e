"""Backfills."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from app.schemas.examples import Example, Examples
from app.schemas.pages import Page
from domain.durations import AwareInstant
from domain.jobs.backfill import MAX_RUNS_PER_MINUTE, Backfill, BackfillState, DryRun
from domain.policies.overlap import Overlap
from storage.documents.instants import Instant, instant, instant_or_none


class BackfillBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fire times to run again: from `start` on, before `end`."""

    EXAMPLES: ClassVar[Examples] = (
        Example(
            "dry_run",
            "How many runs a week would be",
            {"start": "2026-11-16T00:00:00Z", "end": "2026-11-23T00:00:00Z", "dry_run": True},
        ),
        Example(
            "missing",
            "Run what did not succeed in that week",
            {
                "start": "2026-11-16T00:00:00Z",
                "end": "2026-11-23T00:00:00Z",
                "only_missing": True,
            },
        ),
    )

    start: AwareInstant
    end: AwareInstant
    overlap: Overlap = Overlap.BUFFER_ALL
    only_missing: bool = False
    runs_per_minute: Annotated[
        int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_RUNS_PER_MINUTE})
    ] = 600
    dry_run: bool = False


class BackfillResource(Struct, frozen=True, kw_only=True):
    """A backfill: `done` of `total` fire times were looked at, and `run` of them got a run.

    `continues_at` is where a dry run stopped counting, if the whole range costs too much.
    """

    id: UUID | None
    job_id: UUID
    start: Instant
    end: Instant
    overlap: Overlap
    only_missing: bool
    runs_per_minute: int
    dry_run: bool
    state: BackfillState
    total: int
    done_count: int
    run_count: int
    created_at: Instant
    finished_at: Instant | None
    continues_at: Instant | None

    @classmethod
    def of(cls, backfill: Backfill) -> BackfillResource:
        dry_run = isinstance(backfill, DryRun)
        return cls(
            id=None if dry_run else backfill.id,
            job_id=backfill.job_id,
            start=instant(backfill.start_at),
            end=instant(backfill.end_at),
            overlap=backfill.overlap,
            only_missing=backfill.only_missing,
            runs_per_minute=backfill.runs_per_minute,
            dry_run=dry_run,
            state=backfill.state,
            total=backfill.total,
            done_count=backfill.done_count,
            run_count=backfill.run_count,
            created_at=instant(backfill.created_at),
            finished_at=instant_or_none(backfill.finished_at),
            continues_at=instant_or_none(getattr(backfill, "continues_at", None)),
        )


class BackfillPage(Page[BackfillResource], frozen=True, kw_only=True):
    """A page of backfills, newest first; `next_cursor` is null on the last one."""
