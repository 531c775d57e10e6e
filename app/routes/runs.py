"""`/runs`."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from app.requests import run_lists
from app.requests.access import Access
from app.requests.cursors import Cursor, Limit
from app.requests.filters import filtered
from app.requests.idempotency import once
from app.requests.request import ServiceRequest, refuse_body
from app.responses.answers import run_accepted
from app.responses.problems import problems
from app.schemas.runs import BulkResource, ChosenRunsBody, RunDetailResource, RunPage, RunResource
from commands.runs.cancel_runs import CancelRun, CancelRuns, cancel_run, cancel_runs
from commands.runs.replay_runs import ReplayRun, ReplayRuns, replay_run, replay_runs
from domain.filters.job_filter import Order
from domain.filters.run_filter import RunFilter
from domain.runs.run import Run
from queries.runs.get_run import GetRun, get_run
from queries.runs.list_service_runs import list_service_runs

LOCATION = ResponseHeader(
    name="Location", description="Where to read what was made", documentation_only=True
)


class RunController(Controller):
    """Runs of the calling service."""

    path = "/runs"
    tags = ("Runs",)

    @get(
        operation_id="listServiceRuns",
        needs=Access.READ,
        summary="List runs, by filter and fire time; `state=failed` are the dead letters",
        description=run_lists.DESCRIPTION,
    )
    @filtered()
    async def page(
        self,
        request: ServiceRequest,
        chosen: RunFilter,
        order: run_lists.Direction = Order.DESC,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> RunPage:
        asked = run_lists.RunList("service", chosen, order)
        query = asked.query(request.caller, limit, cursor, datetime.now(UTC))
        return asked.page(await list_service_runs(query, request.shards))

    @get(
        "/{run_id:uuid}",
        operation_id="getRun",
        needs=Access.READ,
        summary="Read a run with its attempts",
        responses=problems(404),
    )
    async def read(self, run_id: FromPath[UUID], request: ServiceRequest) -> RunDetailResource:
        run, attempts = await get_run(
            GetRun(caller=request.caller, run_id=run_id, now=datetime.now(UTC)), request.shards
        )
        return RunDetailResource.with_attempts(run, attempts)

    @post(
        "/{run_id:uuid}/cancel",
        operation_id="cancelRun",
        needs=Access.OPERATE,
        keyed=True,
        before_request=refuse_body,
        summary="End a run; what rings is cut off",
        status_code=200,
        responses=problems(404),
    )
    async def cancel(
        self, run_id: FromPath[UUID], request: ServiceRequest
    ) -> Response[RunResource]:
        command = CancelRun(caller=request.caller, run_id=run_id, now=datetime.now(UTC))
        return await once(request, cancel_run, command, _cancelled)

    @post(
        "/{run_id:uuid}/replay",
        operation_id="replayRun",
        needs=Access.OPERATE,
        keyed=True,
        before_request=refuse_body,
        summary="Run a run that has ended once more",
        status_code=202,
        response_headers=[LOCATION],
        responses=problems(404),
    )
    async def replay(
        self, run_id: FromPath[UUID], request: ServiceRequest
    ) -> Response[RunResource]:
        command = ReplayRun(caller=request.caller, run_id=run_id, now=datetime.now(UTC))
        return await once(request, replay_run, command, run_accepted)

    @post(
        "/cancel",
        operation_id="cancelRuns",
        needs=Access.OPERATE,
        keyed=True,
        summary="End open runs in bulk",
        status_code=200,
    )
    async def cancel_chosen(
        self, data: JSONBody[ChosenRunsBody], request: ServiceRequest
    ) -> Response[BulkResource]:
        command = CancelRuns(
            caller=request.caller, chosen=data.chosen(), now=datetime.now(UTC), limit=data.limit
        )
        return await once(request, cancel_runs, command, partial(_counted, 200, data.limit))

    @post(
        "/replay",
        operation_id="replayRuns",
        needs=Access.OPERATE,
        keyed=True,
        summary="Replay failed runs in bulk, each once",
        status_code=202,
    )
    async def replay_chosen(
        self, data: JSONBody[ChosenRunsBody], request: ServiceRequest
    ) -> Response[BulkResource]:
        command = ReplayRuns(
            caller=request.caller,
            chosen=data.chosen_to_replay(),
            now=datetime.now(UTC),
            limit=data.limit,
        )
        return await once(request, replay_runs, command, partial(_counted, 202, data.limit))


def _cancelled(run: Run) -> Response[RunResource]:
    return Response(RunResource.of(run), status_code=200)


def _counted(status: int, limit: int, count: int) -> Response[BulkResource]:
    return Response(BulkResource(count=count, more=count == limit), status_code=status)
