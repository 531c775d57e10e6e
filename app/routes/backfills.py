"""`/backfills`, and those of a job."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_id
from app.requests.idempotency import once
from app.requests.request import ServiceRequest, refuse_body
from app.responses.problems import problems
from app.schemas.backfills import BackfillBody, BackfillPage, BackfillResource
from commands.backfills.cancel_backfill import CancelBackfill, cancel_backfill
from commands.backfills.start_backfill import StartBackfill, start_backfill
from domain.durations import instant_of
from domain.jobs.backfill import Backfill
from queries.backfills.get_backfill import GetBackfill, get_backfill
from queries.backfills.list_backfills import ListBackfills, list_backfills

LOCATION = ResponseHeader(
    name="Location", description="Where to see how far it is", documentation_only=True
)


class BackfillController(Controller):
    """Backfills of the calling service's jobs."""

    path = "/"
    tags = ("Backfills",)

    @post(
        "/jobs/{job_id:uuid}/backfills",
        operation_id="startBackfill",
        needs=Access.OPERATE,
        keyed=True,
        summary="Run a job for fire times that have passed",
        status_code=202,
        response_headers=[LOCATION],
        responses=problems(404),
    )
    async def start(
        self, job_id: FromPath[UUID], data: JSONBody[BackfillBody], request: ServiceRequest
    ) -> Response[BackfillResource]:
        command = StartBackfill(
            caller=request.caller,
            job_id=job_id,
            start=instant_of(data.start, "/start"),
            end=instant_of(data.end, "/end"),
            overlap=data.overlap,
            only_missing=data.only_missing,
            runs_per_minute=data.runs_per_minute,
            dry_run=data.dry_run,
            now=datetime.now(UTC),
        )
        answer = _counted if data.dry_run else _started
        return await once(request, start_backfill, command, answer)

    @get(
        "/jobs/{job_id:uuid}/backfills",
        operation_id="listBackfills",
        needs=Access.READ,
        summary="List a job's backfills, newest first",
        responses=problems(404),
    )
    async def page(
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> BackfillPage:
        cursors = by_id(f"jobs/{job_id}/backfills")
        query = ListBackfills(
            caller=request.caller, job_id=job_id, limit=limit + 1, before=cursors.after(cursor)
        )
        backfills = await list_backfills(query, request.shards)
        return BackfillPage(
            items=[BackfillResource.of(backfill) for backfill in backfills[:limit]],
            next_cursor=cursors.behind_page(backfills, limit, lambda backfill: backfill.id),
        )

    @get(
        "/backfills/{backfill_id:uuid}",
        operation_id="getBackfill",
        needs=Access.READ,
        summary="See how far a backfill is",
        responses=problems(404),
    )
    async def read(self, backfill_id: FromPath[UUID], request: ServiceRequest) -> BackfillResource:
        query = GetBackfill(caller=request.caller, backfill_id=backfill_id)
        return BackfillResource.of(await get_backfill(query, request.shards))

    @post(
        "/backfills/{backfill_id:uuid}/cancel",
        operation_id="cancelBackfill",
        needs=Access.OPERATE,
        keyed=True,
        before_request=refuse_body,
        summary="End a backfill, and its runs that have not begun",
        status_code=200,
        responses=problems(404),
    )
    async def cancel(
        self, backfill_id: FromPath[UUID], request: ServiceRequest
    ) -> Response[BackfillResource]:
        command = CancelBackfill(
            caller=request.caller, backfill_id=backfill_id, now=datetime.now(UTC)
        )
        return await once(request, cancel_backfill, command, _cancelled)


def _counted(backfill: Backfill) -> Response[BackfillResource]:
    return Response(BackfillResource.of(backfill), status_code=202)


def _started(backfill: Backfill) -> Response[BackfillResource]:
    resource = BackfillResource.of(backfill)
    return Response(resource, status_code=202, headers={"Location": f"/backfills/{backfill.id}"})


def _cancelled(backfill: Backfill) -> Response[BackfillResource]:
    return Response(BackfillResource.of(backfill), status_code=200)
