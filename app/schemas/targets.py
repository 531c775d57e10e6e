"""Targets as clients are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from domain.targets import KINDS
from domain.targets.health.breaker import BreakerState
from domain.targets.health.target_status import TargetStatus, counts_of
from storage.documents.instants import Instant, instant, instant_or_none


class TargetCountsResource(Struct, frozen=True, kw_only=True):
    """Attempts that ended in the last minute, by how the target fared, and runs that were put off.

    `answered` are those that gave no sign of trouble, whatever their status.
    """

    answered: int
    failed: int
    deferred: int

    @classmethod
    def of(cls, view: TargetStatus, now: datetime) -> TargetCountsResource:
        counts = counts_of(view, now)
        return cls(answered=counts.answered, failed=counts.failed, deferred=counts.deferred)


class TargetResource(Struct, frozen=True, kw_only=True):
    """A target as all workers see it; its `name` is the `origin` of URLs, an `actor`, a server."""

    kind: Annotated[str, Meta(extra_json_schema={"enum": sorted(KINDS)})]
    name: str
    origin: Annotated[str | None, Meta(examples=["https://reports.example"])]
    actor: str | None
    state: BreakerState
    concurrency: int
    concurrency_allowed: int
    rate_allowed: Annotated[float | None, Meta(description="A second; null is no limit")]
    consecutive_failures: int
    opened_at: Instant | None
    probe_at: Instant | None
    last_rung_at: Instant
    last_minute: TargetCountsResource

    @classmethod
    def of(cls, view: TargetStatus, now: datetime) -> TargetResource:
        return cls(
            kind=view.kind,
            name=view.name,
            origin=view.name if view.kind == "http" else None,
            actor=view.name if view.kind == "actor" else None,
            state=view.state,
            concurrency=view.under_way,
            concurrency_allowed=view.concurrency,
            rate_allowed=None if view.rate is None else round(view.rate, 1),
            consecutive_failures=view.failures,
            opened_at=instant_or_none(view.opened_at),
            probe_at=instant_or_none(view.probe_at),
            last_rung_at=instant(view.seen_at),
            last_minute=TargetCountsResource.of(view, now),
        )


class TargetList(Struct, frozen=True, kw_only=True):
    """Targets that were rung lately, those in trouble first; `more` says that some are left out."""

    items: list[TargetResource]
    more: bool
