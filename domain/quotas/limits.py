"""What one service may use, so that nobody starves a neighbour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct

LARGEST_PAYLOAD = 256 * 1024
_ALWAYS = datetime.min.replace(tzinfo=UTC)

PerMinute = Annotated[int, Meta(ge=1, le=10_000_000)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A service's limits; an operator sets those that differ from these.

    Attributes:
        reads_per_minute: Requests that read, of the service as a whole.
        writes_per_minute: All other requests of the service.
        user_reads_per_minute: The same of each of its keys and people.
        user_writes_per_minute: The same.
        jobs: How many it may have.
        min_interval_seconds: Between fire times of one job.
        fires_per_minute: Runs of its schedules; what goes beyond is in the ledger as `quota`.
        payload_bytes: Of a target's body or payload.
        history_days: How far back its runs are shown; None is as long as they are kept.
    """

    reads_per_minute: PerMinute = 60_000
    writes_per_minute: PerMinute = 12_000
    user_reads_per_minute: PerMinute = 30_000
    user_writes_per_minute: PerMinute = 6_000
    jobs: Annotated[int, Meta(ge=0, le=100_000_000)] = 100_000
    min_interval_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] = 1
    fires_per_minute: PerMinute = 60_000
    payload_bytes: Annotated[int, Meta(ge=0, le=LARGEST_PAYLOAD)] = LARGEST_PAYLOAD
    history_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None

    def history_start(self, now: datetime) -> datetime:
        """The fire time from which on runs are shown."""
        days = self.history_days
        return _ALWAYS if days is None else now - timedelta(days=days)
