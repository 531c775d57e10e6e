"""`/jobs`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from app.requests import job_lists
from app.requests.access import Access
from app.requests.cursors import Cursor, FilteredCursors, Limit
from app.requests.filters import filtered
from app.requests.idempotency import once
from app.requests.preconditions import IfMatch, versions_of
from app.requests.request import ServiceRequest
from app.responses.answers import run_accepted
from app.responses.cached_answers import NOT_MODIFIED, answer
from app.responses.problems import problems
from app.schemas.job_changes import JobChangesBody
from app.schemas.jobs import JobBody, JobPage, PauseBody, ResumeBody, TriggerBody, target_of
from app.schemas.runs import RunResource
from commands.jobs.create_job import CreateJob, create_job
from commands.jobs.delete_job import DeleteJob, delete_job
from commands.jobs.pause_job import PauseJob, pause_job
from commands.jobs.resume_job import ResumeJob, resume_job
from commands.jobs.trigger_job import TriggerJob, trigger_job
from commands.jobs.update_job import UpdateJob, update_job
from domain.errors import Gathering
from domain.filters.job_filter import JobFilter, JobSort
from domain.jobs.job import Job
from queries.jobs.get_job import GetJob, get_job
from queries.jobs.list_jobs import ListJobs, list_jobs
from storage.cache.job_cache_entry import cache_entry_of
from storage.documents.job import JobResource

ETAG = ResponseHeader(
    name="ETag",
    description="For If-None-Match, and a job's for If-Match: another one for whatever is shown",
    documentation_only=True,
)
LOCATION = ResponseHeader(
    name="Location", description="Where to read what was made", documentation_only=True
)


class JobController(Controller):
    """Jobs of the calling service."""

    path = "/jobs"
    tags = ("Jobs",)

    @post(
        operation_id="createJob",
        needs=Access.WRITE,
        keyed=True,
        summary="Store a job",
        response_headers=[ETAG, LOCATION],
    )
    async def create(
        self, data: JSONBody[JobBody], request: ServiceRequest
    ) -> Response[JobResource]:
        now = datetime.now(UTC)
        wrong = Gathering()
        with wrong.within("/schedule"):
            schedule = data.schedule.schedule(now)
        with wrong.within():
            target = target_of(data.target, request.allowed)
        with wrong.within("/retry"):
            retry = data.retry.policy()
        with wrong.within("/catchup"):
            catchup = data.catchup.policy()
        wrong.refuse()
        command = CreateJob(
            caller=request.caller,
            name=data.name,
            description=data.description,
            tags=data.tags,
            schedule=schedule,
            target=target,
            retry=retry,
            overlap=data.overlap,
            catchup=catchup,
            now=now,
        )
        return await once(request, create_job, command, _created)

    @get(
        operation_id="listJobs",
        needs=Access.READ,
        summary="List jobs, by filter and order",
        description=job_lists.DESCRIPTION,
        response_headers=[ETAG],
        responses=NOT_MODIFIED,
    )
    @filtered()
    async def page(  # noqa: PLR0917
        self,
        request: ServiceRequest,
        chosen: JobFilter,
        sort: job_lists.Sort = JobSort.CREATED,
        order: job_lists.Direction = None,
        fields: job_lists.Fields = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response[JobPage]:
        ordered = job_lists.ordered_jobs(sort, order)
        cursors = FilteredCursors("jobs", chosen, ordered)
        query = ListJobs(
            service_id=request.caller.service_id,
            chosen=chosen,
            order=ordered,
            fields=job_lists.chosen_fields(fields),
            limit=limit,
            after=cursors.after(cursor),
            now=datetime.now(UTC),
            cursor_of=cursors.behind_or_end,
        )
        return answer(await list_jobs(query, request.shards), query, request)

    @get(
        "/{job_id:uuid}",
        operation_id="getJob",
        needs=Access.READ,
        partial="ListedJob",
        summary="Read a job",
        response_headers=[ETAG],
        responses=problems(404) | NOT_MODIFIED,
    )
    async def read(
        self, job_id: FromPath[UUID], request: ServiceRequest, fields: job_lists.Fields = None
    ) -> Response[JobResource]:
        query = GetJob(
            service_id=request.caller.service_id,
            job_id=job_id,
            fields=job_lists.chosen_fields(fields),
            now=datetime.now(UTC),
        )
        return answer(await get_job(query, request.shards), query, request)

    @patch(
        "/{job_id:uuid}",
        operation_id="updateJob",
        needs=Access.WRITE,
        summary="Change a job, by a merge patch: what is not named stays, null removes",
        response_headers=[ETAG],
        responses=problems(404, 412),
    )
    async def change(
        self,
        job_id: FromPath[UUID],
        data: JSONBody[JobChangesBody],
        request: ServiceRequest,
        if_match: IfMatch = None,
    ) -> Response[JobResource]:
        now = datetime.now(UTC)
        command = UpdateJob(
            caller=request.caller,
            job_id=job_id,
            changes=data.changes(now, request.allowed),
            now=now,
            versions=versions_of(if_match),
        )
        return _answer(await update_job(command, request.shards))

    @delete(
        "/{job_id:uuid}",
        operation_id="deleteJob",
        needs=Access.WRITE,
        summary="Delete a job",
        responses=problems(404, 412),
    )
    async def remove(
        self, job_id: FromPath[UUID], request: ServiceRequest, if_match: IfMatch = None
    ) -> None:
        command = DeleteJob(
            caller=request.caller,
            job_id=job_id,
            now=datetime.now(UTC),
            versions=versions_of(if_match),
        )
        await delete_job(command, request.shards)

    @post(
        "/{job_id:uuid}/pause",
        operation_id="pauseJob",
        needs=Access.OPERATE,
        keyed=True,
        summary="Stop a job from firing",
        status_code=200,
        response_headers=[ETAG],
        responses=problems(404, 412),
    )
    async def pause(
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        data: JSONBody[PauseBody | None] = None,
        if_match: IfMatch = None,
    ) -> Response[JobResource]:
        command = PauseJob(
            caller=request.caller,
            job_id=job_id,
            now=datetime.now(UTC),
            reason=None if data is None else data.reason,
            versions=versions_of(if_match),
        )
        return await once(request, pause_job, command, _answer)

    @post(
        "/{job_id:uuid}/resume",
        operation_id="resumeJob",
        needs=Access.OPERATE,
        keyed=True,
        summary="Let a paused job fire again, from now on",
        status_code=200,
        response_headers=[ETAG],
        responses=problems(404, 412),
    )
    async def resume(
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        data: JSONBody[ResumeBody | None] = None,
        if_match: IfMatch = None,
    ) -> Response[JobResource]:
        command = ResumeJob(
            caller=request.caller,
            job_id=job_id,
            now=datetime.now(UTC),
            catch_up=data is not None and data.catch_up,
            versions=versions_of(if_match),
        )
        return await once(request, resume_job, command, _answer)

    @post(
        "/{job_id:uuid}/trigger",
        operation_id="triggerJob",
        needs=Access.OPERATE,
        keyed=True,
        summary="Run a job now, beside its schedule",
        status_code=202,
        response_headers=[LOCATION],
        responses=problems(404),
    )
    async def trigger(
        self,
        job_id: FromPath[UUID],
        request: ServiceRequest,
        data: JSONBody[TriggerBody | None] = None,
    ) -> Response[RunResource]:
        command = TriggerJob(
            caller=request.caller,
            job_id=job_id,
            now=datetime.now(UTC),
            overlap=data.overlap if data is not None else None,
        )
        return await once(request, trigger_job, command, run_accepted)


def _created(job: Job) -> Response[Any]:
    return _answer(job, status_code=201, Location=f"/jobs/{job.id}")


def _answer(job: Job, *, status_code: int = 200, **headers: str) -> Response[Any]:
    entry = cache_entry_of(job, job.updated_at)
    return Response(
        msgspec.Raw(entry.body), status_code=status_code, headers={"ETag": entry.etag, **headers}
    )
