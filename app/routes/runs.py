"""`/runs`."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get

from app.problems import problems
from app.resources import RunDetailResource
from domain.caller import Caller
from queries.get_run import GetRun, get_run
from storage.shards import Shards


class RunController(Controller):
    """Runs of the calling service."""

    path = "/runs"
    tags = ("Runs",)

    @get(
        "/{run_id:uuid}",
        operation_id="getRun",
        summary="Read a run with its attempts",
        responses=problems(401, 404, 503),
    )
    async def read(self, run_id: UUID, caller: Caller, shards: Shards) -> RunDetailResource:
        run, attempts = await get_run(GetRun(caller=caller, run_id=run_id), shards)
        return RunDetailResource.with_attempts(run, attempts)
