"""Take over handed-over runs: from here on this worker process owns them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.ids import fire_time_window
from domain.policies.overlap import Overlap
from domain.policies.retry import RetryPolicy
from domain.runs.run import RunState
from domain.targets import Target
from domain.targets.secrets import MARK
from storage.jobs.rows import decode_retry, decode_target
from storage.postgres.pools import Database, Driver
from storage.queue.broker import RunKey
from storage.runs.fences import Fence
from storage.sql import statement

TAKE = statement("attempts/take")
_CANCEL = statement("cancel/orphans")


class ByteBudget(Struct, frozen=True, kw_only=True):
    """How many bytes of targets may be taken.

    Attributes:
        bytes: Of all services together.
        of_service: Of each.
    """

    bytes: int = sys.maxsize
    of_service: Mapping[UUID, int] = {}


class TakeRuns(Struct, frozen=True, kw_only=True):
    """Attributes:
    until: Runs that are due later stay where they are.
    rooms: Runs that do not fit stay where they are, too.
    """

    worker_id: UUID
    runs: list[RunKey]
    now: datetime
    until: datetime
    rooms: ByteBudget = ByteBudget()


class TakenRun(Struct, frozen=True, kw_only=True):
    """A run and all that its ring needs, so that nothing is looked up at the due instant.

    Attributes:
        overlap_wait: How long it waited for the overlap lock, in seconds.
        number: The attempt to come.
        first_started_at: When the first attempt began, if there was one.
        job_name: As it was when the run was taken.
        job_version: The version that was read; a later take of the same run may read a newer one.
        signing_secrets: As they are stored (storage.services.signing_secrets).
        catchup: The job's policy as it is stored: only a late run's is looked into.
        has_references: Whether secrets are to be filled into the target.
        bytes: Of the target, as it is stored.
    """

    service_id: UUID
    job_id: UUID
    id: UUID
    scheduled_for: datetime
    due_at: datetime
    number: int
    first_started_at: datetime | None
    job_name: str
    job_version: int
    target: Target
    retry: RetryPolicy
    overlap: Overlap
    signing_secrets: list[str]
    catchup: str = "{}"
    has_references: bool = False
    bytes: int = 0
    overlap_wait: float = 0.0

    @property
    def ready_at(self) -> datetime:
        """When nothing of its own job kept it from beginning any more."""
        return self.due_at + timedelta(seconds=self.overlap_wait)

    def seconds_late(self, started_at: datetime) -> float:
        """How late its attempt begins, apart from its wait for the overlap lock."""
        return max((started_at - self.due_at).total_seconds() - self.overlap_wait, 0.0)

    def fence(self, worker_id: UUID, state: RunState) -> Fence:
        """What holds of the run while its attempt waits (`queued`), or has begun (`running`)."""
        return Fence(
            service_id=self.service_id,
            job_id=self.job_id,
            scheduled_for=self.scheduled_for,
            id=self.id,
            owned_by=worker_id,
            state=state,
            attempt_count=self.number if state is RunState.RUNNING else self.number - 1,
            due_at=self.due_at,
        )


class Taken(Struct, frozen=True):
    """Attributes:
    left: What there is no room for.
    """

    runs: list[TakenRun]
    left: list[RunKey]


async def take_runs(command: TakeRuns, database: Database) -> Taken:
    """Own those of the runs that still wait; runs of a deleted job end as cancelled."""
    async with database.driver() as driver:
        told = await _take(driver, command, command.runs)
        rows = [row for row in told if row["fits"]]
        if len(told) < len(command.runs):
            # One may have been taken and not returned (storage/runs/fences.py). If that happens
            # again, which is rarer still, it is dispatched again.
            known = {row["id"] for row in told}
            missing = [key for key in command.runs if key[1] not in known]
            if missing:  # and none was named twice only
                rows += [row for row in await _take(driver, command, missing) if row["fits"]]
        orphans = [row for row in rows if row["version"] is None]
        if orphans:
            await _CANCEL.execute(
                driver,
                service_ids=[row["service_id"] for row in orphans],
                run_ids=[row["id"] for row in orphans],
                now=command.now,
            )
    return Taken(
        [_taken(row) for row in rows if row["version"] is not None],
        [(row["service_id"], row["id"]) for row in told if not row["fits"]],
    )


def _taken(row: asyncpg.Record) -> TakenRun:
    # The decoded target refers to this text; one that is not ASCII may take 4 bytes a character.
    target = row["target"] if row["target"].isascii() else row["target"].encode()
    return TakenRun(
        service_id=row["service_id"],
        job_id=row["job_id"],
        id=row["id"],
        scheduled_for=row["scheduled_for"],
        due_at=row["due_at"],
        number=row["attempt_count"] + 1,
        first_started_at=row["started_at"],
        job_name=row["job_name"],
        job_version=row["version"],
        target=decode_target(target),
        retry=decode_retry(row["retry"]),
        overlap=Overlap(row["overlap"]),
        signing_secrets=row["signing_secrets"],
        catchup=row["catchup"],
        has_references=MARK in row["target"],
        bytes=len(target),
        # Of the first attempt: a retry has a `due_at` of its own.
        overlap_wait=0.0 if row["attempt_count"] else (row["overlap_wait_ms"] or 0.0) / 1_000,
    )


async def _take(driver: Driver, command: TakeRuns, runs: Sequence[RunKey]) -> list[asyncpg.Record]:
    windows = [fire_time_window(run) for _, run in runs]
    of_all, of_service = command.rooms.bytes, command.rooms.of_service
    return await TAKE.fetch(
        driver,
        worker_id=command.worker_id,
        service_ids=[service_id for service_id, _ in runs],
        run_ids=[run for _, run in runs],
        first=min(start for start, _ in windows),
        last=max(end for _, end in windows),
        until=command.until,
        service_bytes=[of_service.get(service_id, of_all) for service_id, _ in runs],
        all_bytes=of_all,
    )
