"""How runs ended, as clients are answered."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from domain.runs.run import RunState
from domain.runs.sketch import Percentiles
from domain.runs.stats import Stats
from storage.documents.instants import Instant, instant, instant_or_none


class CountsResource(Struct, frozen=True, kw_only=True):
    """Runs by how they ended."""

    succeeded: int
    failed: int
    cancelled: int
    skipped_overlap: int
    missed: int


class PercentilesResource(Struct, frozen=True, kw_only=True):
    """Milliseconds: percentiles within 1 %, and the exact maximum."""

    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, percentiles: Percentiles | None) -> PercentilesResource | None:
        if percentiles is None:
            return None
        return cls(
            p50=round(percentiles.p50, 3),
            p90=round(percentiles.p90, 3),
            p99=round(percentiles.p99, 3),
            max=round(percentiles.max, 3),
        )


class StatsResource(Struct, frozen=True, kw_only=True):
    """How runs ended that did so from `from` to before `to`, and when the last was counted."""

    from_: Instant = field(name="from")
    to: Instant
    counts: CountsResource
    success_rate: float | None
    lateness_ms: PercentilesResource | None
    overlap_wait_ms: PercentilesResource | None
    duration_ms: PercentilesResource | None
    last_success_at: Instant | None
    last_failure_at: Instant | None
    updated_at: Instant | None

    @classmethod
    def of(cls, stats: Stats, window: tuple[datetime, datetime]) -> StatsResource:
        start, end = window
        return cls(
            from_=instant(start),
            to=instant(end),
            counts=CountsResource(
                succeeded=stats.counts[RunState.SUCCEEDED],
                failed=stats.counts[RunState.FAILED],
                cancelled=stats.counts[RunState.CANCELLED],
                skipped_overlap=stats.counts[RunState.SKIPPED_OVERLAP],
                missed=stats.counts[RunState.MISSED],
            ),
            success_rate=stats.success_rate,
            lateness_ms=PercentilesResource.of(stats.lateness),
            overlap_wait_ms=PercentilesResource.of(stats.overlap_wait),
            duration_ms=PercentilesResource.of(stats.duration),
            last_success_at=instant_or_none(stats.last_success_at),
            last_failure_at=instant_or_none(stats.last_failure_at),
            updated_at=instant_or_none(stats.updated_at),
        )
