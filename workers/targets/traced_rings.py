"""Gives each attempt a span, in the trace that asked for the run or in one with the run's id."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import structlog
from cachetools import LRUCache

from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from domain.targets import reached_by
from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE, Database
from storage.tracing.stored_traces import look_up_traces
from workers.targets.answer import Answer, Ring

if TYPE_CHECKING:
    from storage.tracing.otel import Tracing

log = structlog.get_logger()
REMEMBERED = 20_000


class _Origin(NamedTuple):
    """The traces that asked for the run, that stored its job, and that dispatched it."""

    run: str | None
    job: str | None
    message: str | None


class TracedRings:
    """Wraps a ring in a span."""

    def __init__(self, tracing: Tracing, ring: Ring, database: Database) -> None:
        self._tracing = tracing
        self._ring = ring
        self._database = database
        self._origins: LRUCache[UUID, _Origin] = LRUCache(REMEMBERED)

    async def look_up(self, runs: Sequence[TakenRun]) -> None:
        """Look up the origins of runs well before they ring; without them, traces lack links."""
        if not runs:
            return
        message = self._tracing.traceparent()
        keys = [(run.service_id, one) for run in runs for one in (run.id, run.job_id)]
        try:
            async with self._database.driver() as driver:
                kept = await look_up_traces(driver, keys)
        except UNREACHABLE as error:
            log.warning("traces.not_looked_up", error=kind_of(error))
            kept = {}
        for run in runs:
            self._origins[run.id] = _Origin(kept.get(run.id), kept.get(run.job_id), message)

    async def ring(self, run: TakenRun, started_at: datetime) -> Answer:
        """Make one attempt within its span; the request carries the span's `traceparent`."""
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

        origin = self._origins.pop(run.id, _Origin(None, None, None))
        reached = reached_by(run.target)
        links = [link for link in (origin.job, origin.message) if link is not None]
        with ExitStack() as around:
            if origin.run is None:
                around.enter_context(self._tracing.trace_of(run.id.int))
            span = around.enter_context(
                self._tracing.span(
                    f"ring {reached.kind}",
                    SpanKind.CLIENT,
                    parent=origin.run or "",
                    links=links,
                    attributes={
                        "tocsin.service_id": str(run.service_id),
                        "tocsin.job_id": str(run.job_id),
                        "tocsin.run_id": str(run.id),
                        "tocsin.target": reached.name,
                        "tocsin.attempt": run.number,
                        "tocsin.late_seconds": run.seconds_late(started_at),
                    },
                )
            )
            answer = await self._ring(run, started_at)
            span.set_attribute("tocsin.outcome", answer.outcome.value)
            if answer.status_code is not None:
                span.set_attribute("http.response.status_code", answer.status_code)
            if answer.outcome is not Outcome.SUCCEEDED:
                span.set_status(Status(StatusCode.ERROR, answer.error))
        return answer
