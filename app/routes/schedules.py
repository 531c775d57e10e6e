"""`/schedules`."""

from __future__ import annotations

from datetime import UTC, datetime

from litestar import post
from litestar.params import JSONBody

from app.requests.access import Access
from app.requests.request import ServiceRequest
from app.schemas.previews import PreviewBody, PreviewResource, preview_resource
from domain.durations import instant_of
from domain.errors import within
from domain.schedules.checks import check_schedule
from domain.schedules.fire_times import first_moment
from queries.jobs.fill_in_calendars import FillInCalendars, fill_in_calendars


@post(
    "/schedules/preview",
    operation_id="previewSchedule",
    needs=Access.READ,
    summary="When a schedule would fire, in instants and in words; nothing is stored",
    status_code=200,
    tags=["Schedules"],
)
async def preview_schedule(data: JSONBody[PreviewBody], request: ServiceRequest) -> PreviewResource:
    """Preview a schedule without a job."""
    now = datetime.now(UTC)
    with within("/schedule"):
        named = data.schedule.schedule(now)
        query = FillInCalendars(caller=request.caller, schedule=named)
        schedule = await fill_in_calendars(query, request.shards)
    after = first_moment(schedule) if data.after is None else instant_of(data.after, "/after")
    until = None if data.until is None else instant_of(data.until, "/until")

    def reckon() -> PreviewResource:
        with within("/schedule"):
            check_schedule(schedule)
        return preview_resource(
            schedule, sent=named, after=after, until=until, count=data.count, now=now
        )

    service_id = request.caller.service_id
    reckoning = request.shards.of(service_id).reckoning
    return await reckoning.run(service_id, schedule, reckon, times=data.count)
