"""`/jobs/{job_id}/…`: what a job has done, and what it will do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.params import FromPath, QueryParameter

from app.requests import run_lists
from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_fire_time
from app.requests.filters import filtered
from app.requests.instants import utc_parameter
from app.requests.request import ServiceRequest
from app.responses.problems import problems
from app.schemas.previews import PreviewResource, preview_resource
from app.schemas.runs import LedgerEntryResource, LedgerPage, RunPage
from domain.filters.job_filter import Order
from domain.filters.run_filter import RunFilter
from domain.schedules.fire_times import TICK
from queries.jobs.get_ledger import GetLedger, get_ledger
from queries.jobs.preview_job import PreviewJob, schedule_to_preview
from queries.runs.list_runs import list_runs

LEDGER_SPAN = timedelta(days=1)
FIRST = datetime.min.replace(tzinfo=UTC)
From = Annotated[
    datetime | None,
    QueryParameter(name="from", description="RFC 3339; a day before `to` if left out"),
]
To = Annotated[datetime | None, QueryParameter(description="RFC 3339; now if left out")]


class JobHistoryController(Controller):
    """A job's past and future."""

    path = "/jobs/{job_id:uuid}"
    tags = ("Jobs",)

    @get(
        "/runs",
        operation_id="listRuns",
        needs=Access.READ,
        summary="List a job's runs, by filter and fire time",
        description=run_lists.DESCRIPTION,
        responses=problems(404),
    )
    @filtered(without={"job_id", "tags"})
    async def runs(  # noqa: PLR0917
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        chosen: RunFilter,
        order: run_lists.Direction = Order.DESC,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> RunPage:
        of_job = msgspec.structs.replace(chosen, job_id=job_id)
        asked = run_lists.RunList("job", of_job, order)
        query = asked.query(request.caller, limit, cursor, datetime.now(UTC))
        return asked.page(await list_runs(query, request.shards))

    @get(
        "/ledger",
        operation_id="getLedger",
        needs=Access.READ,
        summary="Why a job did, or did not, run at each of its fire times",
        responses=problems(404),
    )
    async def ledger(  # noqa: PLR0917
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        from_: From = None,
        to: To = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> LedgerPage:
        cursors = by_fire_time(f"jobs/{job_id}/ledger")
        now = datetime.now(UTC)
        end = now if to is None else utc_parameter(to, "to")
        start = _day_before(end) if from_ is None else utc_parameter(from_, "from")
        query = GetLedger(
            caller=request.caller,
            job_id=job_id,
            start=max(start, request.caller.limits.history_start(now)),
            end=end,
            after=cursors.after(cursor),
            limit=limit + 1,
            now=now,
        )
        entries = await get_ledger(query, request.shards)
        return LedgerPage(
            items=[LedgerEntryResource.of(entry) for entry in entries[:limit]],
            next_cursor=cursors.behind_page(entries, limit, lambda entry: entry.scheduled_for),
        )

    @get(
        "/preview",
        operation_id="previewJob",
        needs=Access.READ,
        summary="When a job will fire, in instants and in words",
        responses=problems(404),
    )
    async def preview(
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        after: Annotated[
            datetime | None, QueryParameter(description="RFC 3339; now if left out")
        ] = None,
        until: Annotated[datetime | None, QueryParameter(description="RFC 3339")] = None,
        count: Annotated[int, QueryParameter(ge=1, le=1_000)] = 10,
    ) -> PreviewResource:
        now = datetime.now(UTC)
        query = PreviewJob(caller=request.caller, job_id=job_id, now=now)
        found = await schedule_to_preview(query, request.shards)
        reckon = partial(
            preview_resource,
            found.schedule,
            sent=found.sent,
            after=now - TICK if after is None else utc_parameter(after, "after"),
            until=None if until is None else utc_parameter(until, "until"),
            count=count,
            now=now,
            usual_duration=found.usual_duration,
        )
        service_id = request.caller.service_id
        reckoning = request.shards.of(service_id).reckoning
        return await reckoning.run(service_id, found.schedule, reckon, times=count)


def _day_before(instant: datetime) -> datetime:
    return max(instant, FIRST + LEDGER_SPAN) - LEDGER_SPAN
