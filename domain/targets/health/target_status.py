"""What workers tell of the targets that they ring, and what it comes to answered together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from domain.targets.health.breaker import BreakerState

BUCKET_SECONDS = 10
BUCKETS = 7
"""The last minute, and the one under way."""
_WORST_FIRST = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


class Minute(Struct, kw_only=True, array_like=True):
    """Attempts that ended within ten seconds, by how their target fared; and runs put off.

    Attributes:
        bucket: The instant in seconds since 1970, by ten.
    """

    bucket: int
    answered: int = 0
    failed: int = 0
    deferred: int = 0


class TargetStatus(Struct, frozen=True, kw_only=True):
    """A target of one service as one worker process sees it, or as all of them do.

    Attributes:
        under_way: Attempts at this moment.
        concurrency: How many there may be.
        rate: How many may begin in a second; None is no limit.
        failures: In a row.
        seen_at: When it was last rung.
    """

    kind: str
    name: str
    state: BreakerState
    under_way: int
    concurrency: int
    rate: float | None
    failures: int
    opened_at: datetime | None
    probe_at: datetime | None
    seen_at: datetime
    minutes: list[Minute]


class Counts(Struct, frozen=True, kw_only=True):
    """Of the last minute."""

    answered: int
    failed: int
    deferred: int


def counts_of(view: TargetStatus, now: datetime) -> Counts:
    """What ended in the last minute, give or take ten seconds."""
    first = int(now.timestamp()) // BUCKET_SECONDS - BUCKETS + 1
    lately = [minute for minute in view.minutes if minute.bucket >= first]
    return Counts(
        answered=sum(minute.answered for minute in lately),
        failed=sum(minute.failed for minute in lately),
        deferred=sum(minute.deferred for minute in lately),
    )


def merged(views: Iterable[TargetStatus]) -> TargetStatus:
    """What processes see of one target, as one: the worst state, and all limits together."""
    several = list(views)
    rates = [view.rate for view in several]
    return TargetStatus(
        kind=several[0].kind,
        name=several[0].name,
        state=min((view.state for view in several), key=_WORST_FIRST.index),
        under_way=sum(view.under_way for view in several),
        concurrency=sum(view.concurrency for view in several),
        rate=None if None in rates else sum(rate or 0 for rate in rates),
        failures=max(view.failures for view in several),
        opened_at=min((view.opened_at for view in several if view.opened_at), default=None),
        probe_at=min((view.probe_at for view in several if view.probe_at), default=None),
        seen_at=max(view.seen_at for view in several),
        minutes=[minute for view in several for minute in view.minutes],
    )
