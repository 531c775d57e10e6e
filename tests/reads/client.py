"""What an API process does for a service, without HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from commands.bootstrap_key import BootstrapKey, bootstrap_key
from commands.create_job import CreateJob, create_job
from commands.delete_job import DeleteJob, delete_job
from commands.update_job import Changes, UpdateJob, update_job
from domain.caller import Caller
from domain.errors import NotFound
from domain.job_filter import JobFilter, JobOrder
from domain.keys import service_of
from domain.retry import RetryPolicy
from domain.schedules.schedule import Schedule
from domain.targets.http import HttpTarget
from queries.get_job import GetJob, get_job
from queries.list_jobs import ListJobs, list_jobs
from storage.read_cache import READS
from storage.shards import Shards
from storage.urls import ShardUrls


class ReadingClient:
    """A service's calls as one process handles them; several of them share the servers only."""

    def __init__(self, urls: ShardUrls, service_id: UUID) -> None:
        self.shards = Shards(urls)
        self.caller = Caller(service_id=service_id, principal="key:test", request_id="test")

    @classmethod
    async def of_a_new_service(cls, urls: ShardUrls) -> ReadingClient:
        shards = Shards(urls)
        key = await bootstrap_key(BootstrapKey(service_name=str(uuid4()), now=now()), shards)
        await shards.close()
        service_id = service_of(key)
        assert service_id is not None
        return cls(urls, service_id)

    def elsewhere(self, urls: ShardUrls) -> ReadingClient:
        """The same service, served by another process."""
        return ReadingClient(urls, self.caller.service_id)

    async def create(self) -> UUID:
        command = CreateJob(
            caller=self.caller,
            name="a job",
            description="",
            tags=[],
            schedule=Schedule(accepted_at=now(), cron="0 0 1 1 *"),
            target=HttpTarget(url="http://127.0.0.1:9/"),
            retry=RetryPolicy(),
            now=now(),
        )
        return (await create_job(command, self.shards)).id

    async def rename(self, job_id: UUID) -> int:
        """Change the job; returns its new version."""
        command = UpdateJob(
            caller=self.caller, job_id=job_id, changes=Changes(name=str(uuid4())), now=now()
        )
        return (await update_job(command, self.shards)).version

    async def delete(self, job_id: UUID) -> None:
        command = DeleteJob(caller=self.caller, job_id=job_id, now=now())
        await delete_job(command, self.shards)

    async def version(self, job_id: UUID) -> int | None:
        """The version that is read, or None when there is no such job."""
        query = GetJob(caller=self.caller, job_id=job_id, now=now())
        try:
            entry = await get_job(query, self.shards)
        except NotFound:
            return None
        return int(msgspec.json.decode(entry.body)["version"])

    async def listed(self) -> dict[UUID, int]:
        """The versions on the first page of jobs."""
        query = ListJobs(
            caller=self.caller,
            chosen=JobFilter(),
            order=JobOrder(),
            fields=(),
            limit=50,
            after=None,
            now=now(),
            cursor_of=lambda _: None,
        )
        page: dict[str, list[dict[str, Any]]] = msgspec.json.decode(
            (await list_jobs(query, self.shards)).body
        )
        return {UUID(job["id"]): job["version"] for job in page["items"]}

    async def layer(self, job_id: UUID) -> str:
        """Which layer answers a read now."""
        layers = ("memory", "redis", "postgres", "primary")
        before = {name: READS.labels(name)._value.get() for name in layers}
        await self.version(job_id)
        (answering,) = [name for name in layers if READS.labels(name)._value.get() > before[name]]
        return answering

    async def close(self) -> None:
        await self.shards.close()


def now() -> datetime:
    return datetime.now(UTC)
