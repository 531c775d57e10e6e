"""How a row of `jobs` becomes a Job."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from domain.job import Job, Target, visible_state
from domain.retry import RetryPolicy
from domain.schedule import Schedule

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

# As text, JSON comes through the driver without a detour over its codec.
JOB_COLUMNS = """
    id, name, description, tags, schedule::text, target::text, retry::text, paused, next_claim_at,
    claimed_for, version, created_at, updated_at
"""

decode_schedule = msgspec.json.Decoder(Schedule).decode
decode_target = msgspec.json.Decoder(Target).decode
decode_retry = msgspec.json.Decoder(RetryPolicy).decode


def job_of(row: RowMapping | asyncpg.Record, now: datetime) -> Job:
    """The job as its service sees it at `now`."""
    state, next_fire_at = visible_state(
        paused=row["paused"],
        next_claim_at=row["next_claim_at"],
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
        state=state,
        next_fire_at=next_fire_at,
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
