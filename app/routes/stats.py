"""`/stats` and `/jobs/{job_id}/stats`: how runs ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter

from app.requests.access import Access
from app.requests.request import ServiceRequest
from app.requests.windows import Grain
from app.responses.problems import problems
from app.schemas.stats import StatsResource
from queries.stats.get_stats import GetJobStats, GetServiceStats, get_job_stats, get_service_stats

DAYS = Grain(bucket=timedelta(days=1), default=timedelta(days=30), longest=timedelta(days=400))
HOURS = Grain(bucket=timedelta(hours=1), default=timedelta(days=1), longest=timedelta(days=31))
To = Annotated[datetime | None, QueryParameter(description="RFC 3339; now if left out")]


@get(
    "/jobs/{job_id:uuid}/stats",
    operation_id="getJobStats",
    needs=Access.READ,
    summary="How a job's runs ended, by whole days in UTC; a run counts seconds after its end",
    tags=["Jobs"],
    responses=problems(404),
)
async def job_stats(
    job_id: FromPath[UUID],
    request: ServiceRequest,
    from_: Annotated[
        datetime | None,
        QueryParameter(name="from", description="RFC 3339; 30 days before `to` if left out"),
    ] = None,
    to: To = None,
) -> StatsResource:
    """A job's statistics."""
    window = DAYS.window(from_, to, datetime.now(UTC))
    query = GetJobStats(caller=request.caller, job_id=job_id, start=window[0], end=window[1])
    return StatsResource.of(await get_job_stats(query, request.shards), window)


@get(
    "/stats",
    operation_id="getStats",
    needs=Access.READ,
    summary="How all runs ended, by whole hours; a run counts seconds after its end",
    tags=["Runs"],
)
async def service_stats(
    request: ServiceRequest,
    from_: Annotated[
        datetime | None,
        QueryParameter(name="from", description="RFC 3339; a day before `to` if left out"),
    ] = None,
    to: To = None,
) -> StatsResource:
    """The calling service's statistics."""
    window = HOURS.window(from_, to, datetime.now(UTC))
    query = GetServiceStats(caller=request.caller, start=window[0], end=window[1])
    return StatsResource.of(await get_service_stats(query, request.shards), window)
