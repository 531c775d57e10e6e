"""`/runs`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from app.bodies import ChosenRunsBody
from app.cursors import id_after
from app.instants import utc_parameter
from app.paging import Cursor, Limit, next_cursor
from app.problems import problems
from app.requests import ServiceRequest
from app.resources import BulkResource, RunDetailResource, RunPage, RunResource
from commands.cancel_runs import CancelRun, CancelRuns, cancel_run, cancel_runs
from commands.replay_runs import ReplayRun, ReplayRuns, replay_run, replay_runs
from domain.run import RunState, Trigger
from domain.run_filter import RunFilter
from queries.get_run import GetRun, get_run
from queries.list_service_runs import ListServiceRuns, list_service_runs

LOCATION = ResponseHeader(
    name="Location", description="Where to read what was made", documentation_only=True
)


class RunController(Controller):
    """Runs of the calling service."""

    path = "/runs"
    tags = ("Runs",)

    @get(
        operation_id="listServiceRuns",
        summary="List runs, newest fire time first; `state=failed` are the dead letters",
        responses=problems(422),
    )
    async def page(  # noqa: PLR0917
        self,
        request: ServiceRequest,
        state_: Annotated[RunState | None, QueryParameter(name="state")] = None,
        trigger: FromQuery[Trigger | None] = None,
        job_id: FromQuery[UUID | None] = None,
        since: Annotated[
            datetime | None, QueryParameter(description="Fire times from here on, RFC 3339")
        ] = None,
        before: Annotated[
            datetime | None, QueryParameter(description="Fire times before this, RFC 3339")
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> RunPage:
        query = ListServiceRuns(
            caller=request.caller,
            chosen=RunFilter(
                state=state_,
                trigger=trigger,
                job_id=job_id,
                since=None if since is None else utc_parameter(since, "since"),
                before=None if before is None else utc_parameter(before, "before"),
            ),
            limit=limit + 1,
            before=id_after("runs", cursor),
        )
        runs = await list_service_runs(query, request.shards)
        return RunPage(
            items=[RunResource.of(run) for run in runs[:limit]],
            next_cursor=next_cursor("runs", runs, limit, lambda run: run.id),
        )

    @get(
        "/{run_id:uuid}",
        operation_id="getRun",
        summary="Read a run with its attempts",
        responses=problems(404),
    )
    async def read(self, run_id: FromPath[UUID], request: ServiceRequest) -> RunDetailResource:
        run, attempts = await get_run(GetRun(caller=request.caller, run_id=run_id), request.shards)
        return RunDetailResource.with_attempts(run, attempts)

    @post(
        "/{run_id:uuid}/cancel",
        operation_id="cancelRun",
        summary="End a run; what rings is cut off",
        status_code=200,
        responses=problems(404, 409),
    )
    async def cancel(self, run_id: FromPath[UUID], request: ServiceRequest) -> RunResource:
        command = CancelRun(caller=request.caller, run_id=run_id, now=datetime.now(UTC))
        return RunResource.of(await cancel_run(command, request.shards))

    @post(
        "/{run_id:uuid}/replay",
        operation_id="replayRun",
        summary="Run a run that has ended once more",
        status_code=202,
        response_headers=[LOCATION],
        responses=problems(404, 409),
    )
    async def replay(
        self, run_id: FromPath[UUID], request: ServiceRequest
    ) -> Response[RunResource]:
        command = ReplayRun(caller=request.caller, run_id=run_id, now=datetime.now(UTC))
        run = await replay_run(command, request.shards)
        return Response(
            RunResource.of(run), status_code=202, headers={"Location": f"/runs/{run.id}"}
        )

    @post(
        "/cancel",
        operation_id="cancelRuns",
        summary="End open runs in bulk",
        status_code=200,
        responses=problems(413, 415, 422),
    )
    async def cancel_chosen(
        self, data: JSONBody[ChosenRunsBody], request: ServiceRequest
    ) -> BulkResource:
        command = CancelRuns(
            caller=request.caller, chosen=data.chosen(), now=datetime.now(UTC), limit=data.limit
        )
        count = await cancel_runs(command, request.shards)
        return BulkResource(count=count, more=count == data.limit)

    @post(
        "/replay",
        operation_id="replayRuns",
        summary="Replay failed runs in bulk, each once",
        status_code=202,
        responses=problems(413, 415, 422),
    )
    async def replay_chosen(
        self, data: JSONBody[ChosenRunsBody], request: ServiceRequest
    ) -> BulkResource:
        command = ReplayRuns(
            caller=request.caller, chosen=data.chosen(), now=datetime.now(UTC), limit=data.limit
        )
        count = await replay_runs(command, request.shards)
        return BulkResource(count=count, more=count == data.limit)
