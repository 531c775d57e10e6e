"""Ids: UUIDv7, which sort by time; a run's id is computed, so that it can exist only once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_ID = UUID(int=(1 << 128) - 1)
"""The greatest id: none comes after it."""
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_LAST_MILLISECOND = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MILLISECOND - 1


def new_id() -> UUID:
    """A new UUIDv7."""
    return uuid7()


def new_id_text() -> str:
    """A new UUIDv7 as text, for what is only written down: a few times as cheap."""
    return str(uuid_utils.uuid7())


def run_id(job_id: UUID, scheduled_for: datetime, generation: int = 0) -> UUID:
    """The id of a job's run at a fire time: always the same one.

    Args:
        generation: 0 for the fire time's own run; backfills and replays of it count on.

    The layout is UUIDv7's (RFC 9562, 5.7): the fire time in milliseconds, then 74 bits that are a
    hash of job and fire time instead of random. Whoever claims the run, or claims it again after
    a restore from a backup, names it the same, so a target that knows the id knows the run.
    """
    since_epoch = scheduled_for - EPOCH
    microseconds = since_epoch // _MICROSECOND
    content = job_id.bytes + microseconds.to_bytes(8, "big", signed=True)
    if generation:
        content += generation.to_bytes(2, "big")
    digest = blake2b(content, digest_size=10)
    tail = int.from_bytes(digest.digest(), "big")
    milliseconds = since_epoch // _MILLISECOND & (1 << 48) - 1
    rand_a, rand_b = tail >> 68, tail & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 7 << 76 | rand_a << 64 | 2 << 62 | rand_b)


def first_run_id(scheduled_for: datetime) -> UUID:
    """A lower bound of the ids of all runs whose fire time is that instant or later."""
    return UUID(int=max((scheduled_for - EPOCH) // _MILLISECOND, 0) << 80)


def fire_time_window(run: UUID) -> tuple[datetime, datetime]:
    """The millisecond `[start, end)` that a run's fire time lies in, read from its id.

    Any UUID is answered: a client may ask for what was never a run's id.
    """
    start = EPOCH + min(run.int >> 80, _LAST_MILLISECOND) * _MILLISECOND
    return start, start + _MILLISECOND
