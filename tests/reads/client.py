"""What an API process does for a service, without HTTP."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from commands.jobs.create_job import CreateJob, create_job
from commands.jobs.delete_job import DeleteJob, delete_job
from commands.jobs.update_job import Changes, UpdateJob, update_job
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from commands.keys.create_key import CreateKey, create_key
from commands.keys.revoke_key import RevokeKey, revoke_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from domain.access.scopes import ALL_SCOPES, Scope
from domain.errors import NotFound
from domain.filters.job_filter import JobFilter, JobOrder
from domain.policies.retry import RetryPolicy
from domain.schedules.schedule import Schedule
from domain.targets.kinds.http import HttpTarget
from queries.jobs.get_job import GetJob, get_job
from queries.jobs.list_jobs import ListJobs, list_jobs
from queries.keys.find_key import FoundKey, find_key
from storage.cache.read_cache import READS
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.storage.reading import Reader


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

    async def create_key(self) -> tuple[UUID, str]:
        """The id and the text of a new key of the service."""
        command = CreateKey(
            caller=msgspec.structs.replace(self.caller, scopes=ALL_SCOPES),
            name="a key",
            scopes=frozenset({Scope.READ}),
            expires_at=None,
            subject=None,
            now=now(),
        )
        key, text = await create_key(command, self.shards)
        return key.id, text

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
        query = GetJob(service_id=self.caller.service_id, job_id=job_id, now=now())
        try:
            entry = await get_job(query, self.shards)
        except NotFound:
            return None
        return int(msgspec.json.decode(entry.body)["version"])

    async def listed(self) -> dict[UUID, int]:
        """The versions on the first page of jobs."""
        query = ListJobs(
            service_id=self.caller.service_id,
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
        """Which layer answers a read of a job now."""
        return await _answering(self.version(job_id))

    async def layer_of_list(self) -> str:
        """Which layer answers a list now."""
        return await _answering(self.listed())

    async def void(self) -> None:
        """Commit something that may have changed all that is cached of the service."""
        await Reader(self.shards.of(self.caller.service_id), self.caller.service_id).write()

    async def create_unnoticed(self) -> None:
        """Store a job, and have Redis forget that, and all else."""
        await self.create()
        await self.shards.of(self.caller.service_id).redis.call(lambda _: ("FLUSHALL",))

    async def revoke(self, key_id: UUID) -> None:
        """Revoke a key of the service."""
        await revoke_key(RevokeKey(caller=self.caller, key_id=key_id, now=now()), self.shards)

    async def found(self, key: str) -> FoundKey | None:
        """What a key is good for."""
        return await find_key(key, now(), self.shards)

    async def close(self) -> None:
        await self.shards.close()


async def _answering(reading: Awaitable[object]) -> str:
    layers = ("memory", "redis", "postgres", "primary")
    before = {name: READS.labels(name)._value.get() for name in layers}
    await reading
    (answering,) = [name for name in layers if READS.labels(name)._value.get() > before[name]]
    return answering


def now() -> datetime:
    return datetime.now(UTC)
