"""How a row of `jobs` becomes a Job."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from domain.jobs.job import Job, visible_state
from domain.policies.catchup import CatchupPolicy
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.schedules.schedule import Exclusion, Schedule, with_calendars
from domain.targets import Target
from storage.documents.schedule import ScheduleResource
from storage.sql import statement

# As text, JSON comes through the driver without a detour over its codec.
JOB_COLUMNS = """
    id, name, description, tags, schedule::text, target::text, retry::text, overlap, catchup::text,
    paused, pause_reason, next_fire_for, claimed_for, version, created_at, updated_at
"""
CALENDARS_OF_JOB = statement("calendars/of_job").text
"""An expression: the calendars of a job's schedule, by name."""

encode = msgspec.json.Encoder().encode
decode_schedule = msgspec.json.Decoder(Schedule).decode
decode_target = msgspec.json.Decoder(Target).decode
decode_retry = msgspec.json.Decoder(RetryPolicy).decode
decode_catchup = msgspec.json.Decoder(CatchupPolicy).decode
decode_exclusions = msgspec.json.Decoder(tuple[Exclusion, ...]).decode
_decode_calendars = msgspec.json.Decoder(dict[str, tuple[Exclusion, ...]]).decode


def job_of(row: asyncpg.Record, now: datetime) -> Job:
    """The job as its service sees it at `now`."""
    state, next_fire_at = visible_state(
        paused=row["paused"],
        next_fire_for=row["next_fire_for"],
        claimed_for=row["claimed_for"],
        now=now,
    )
    return Job(
        id=row["id"],
        name=row["name"],
        description=row["description"],
        tags=row["tags"],
        schedule=decode_schedule(row["schedule"]),
        target=decode_target(row["target"]),
        retry=decode_retry(row["retry"]),
        overlap=Overlap(row["overlap"]),
        catchup=decode_catchup(row["catchup"]),
        state=state,
        next_fire_at=next_fire_at,
        pause_reason=row["pause_reason"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def encode_schedule(schedule: Schedule) -> str:
    """A schedule as it is stored: fields of our own, then what clients are answered."""
    own = f'{{"accepted_at":"{schedule.accepted_at.isoformat()}","seed":"{schedule.seed}",'
    if schedule.counted_from is not None:
        own += f'"counted_from":"{schedule.counted_from.isoformat()}",'
    return own + encode(ScheduleResource.of(schedule)).decode()[1:]


_Shown = msgspec.defstruct(
    "Shown",
    [(name, msgspec.Raw | UnsetType, UNSET) for name in ScheduleResource.__struct_encode_fields__],
    gc=False,
)
_decode_shown = msgspec.json.Decoder(_Shown).decode


def shown_schedule(schedule: str) -> Any:
    """What clients are answered of a stored schedule, which is not looked into any further."""
    return _decode_shown(schedule)


def schedule_of(schedule: str, calendars: str | None) -> Schedule:
    """A stored schedule, with what `CALENDARS_OF_JOB` found for it filled in."""
    stored = decode_schedule(schedule)
    if not stored.calendars:
        return stored
    known: Mapping[str, tuple[Exclusion, ...]] = _decode_calendars(calendars or "{}")
    return with_calendars(stored, known)
