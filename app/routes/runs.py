"""`/runs`."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath

from app.problems import problems
from app.requests import ServiceRequest
from app.resources import RunDetailResource
from queries.get_run import GetRun, get_run


class RunController(Controller):
    """Runs of the calling service."""

    path = "/runs"
    tags = ("Runs",)

    @get(
        "/{run_id:uuid}",
        operation_id="getRun",
        summary="Read a run with its attempts",
        responses=problems(404),
    )
    async def read(self, run_id: FromPath[UUID], request: ServiceRequest) -> RunDetailResource:
        run, attempts = await get_run(GetRun(caller=request.caller, run_id=run_id), request.shards)
        return RunDetailResource.with_attempts(run, attempts)
