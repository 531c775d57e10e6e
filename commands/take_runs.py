"""Take over handed-over runs: from here on this worker process owns them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.ids import fire_time_window
from domain.overlap import Overlap
from domain.retry import RetryPolicy
from domain.secrets import MARK
from domain.targets import Target
from storage.jobs import decode_retry, decode_target
from storage.partitions import looked_up, of_days
from storage.postgres import Database, Driver
from storage.queue import RunKey
from storage.run_events import with_event

_FITTING = "service_id, job_id, scheduled_for, id, job_name, version, target, retry, catchup"

# A second message for a run finds it in other hands or further on, and one that comes early must
# not jump a retry's backoff: both take nothing. What is in this worker's hands already is told
# again, in case the first reply was lost.
#
# A message tells no more than a run's id: the rest of its key is found first, as the first id of
# its service from there on. Only an index in the order of ids can answer that, also on a day so
# young that any index of the service looks as good.
#
# What has no room stays where it is, and is told of: of each service the smallest come first, and
# of all services the first, then the second. Mostly it is plain that all have room, and nothing is
# sorted. Of a target that is not compressed the size is known without reading it.
TAKE = f"""
WITH found AS MATERIALIZED (
    SELECT run.*, job.job_name, job.version, job.target, job.retry, job.catchup,
        coalesce(job.bytes, 0) AS bytes, message.room
    FROM unnest($2::uuid[], $3::uuid[], $7::bigint[]) AS message (service_id, id, room)
    CROSS JOIN LATERAL (
        SELECT service_id, job_id, scheduled_for, id FROM runs
        WHERE runs.service_id = message.service_id AND {of_days("$4", "$5")}
            AND runs.id >= message.id
        ORDER BY id LIMIT 1
    ) AS run
    LEFT JOIN LATERAL (
        SELECT name AS job_name, version, target, retry, catchup,
            CASE WHEN pg_column_compression(target) IS NULL THEN pg_column_size(target)
                ELSE octet_length(target::text) END AS bytes
        FROM jobs
        WHERE jobs.service_id = run.service_id AND jobs.id = run.job_id OFFSET 0
    ) AS job ON true
    WHERE run.id = message.id
), sure AS (
    SELECT coalesce(sum(bytes), 0) <= least($8, min(room)) AS fits FROM found
), numbered AS (
    SELECT *, row_number() OVER of_service AS nth, sum(bytes) OVER of_service AS up_to_it
    FROM found
    WHERE NOT (SELECT fits FROM sure)
    WINDOW of_service AS (PARTITION BY service_id ORDER BY bytes, id ROWS UNBOUNDED PRECEDING)
), fitting AS MATERIALIZED (
    SELECT {_FITTING}, true AS fits FROM found WHERE (SELECT fits FROM sure)
    UNION ALL
    SELECT {_FITTING}, up_to_it <= room
        AND sum(bytes) OVER (ORDER BY nth, bytes, id ROWS UNBOUNDED PRECEDING) <= $8
    FROM numbered
), taken AS (
    UPDATE runs
    SET state = 'queued', held_by = $1, retry_at = NULL
    FROM fitting
    WHERE fitting.fits AND {looked_up("fitting", "$4", "$5")} AND runs.job_id = fitting.job_id
        AND runs.scheduled_for = fitting.scheduled_for AND runs.id = fitting.id
        AND (runs.state IN ('scheduled', 'retrying') AND runs.due_at <= $6
            OR runs.state = 'queued' AND runs.held_by = $1)
        AND NOT runs.buffered
    RETURNING runs.service_id, runs.job_id, runs.id, runs.scheduled_for, runs.due_at,
        runs.attempt_count, runs.started_at, runs.overlap, runs.overlap_wait_ms, fitting.job_name,
        fitting.version, fitting.target, fitting.retry, fitting.catchup
)
SELECT taken.*,
    (SELECT signing_secrets FROM services WHERE services.id = taken.service_id) AS signing_secrets,
    true AS fits
FROM taken
UNION ALL
SELECT service_id, job_id, id, scheduled_for, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, false
FROM fitting WHERE NOT fits
"""

_CANCEL = with_event("""
UPDATE runs
SET state = 'cancelled', open = false, held_by = NULL, finished_at = $3,
    reason = 'The job was deleted.'
FROM unnest($1::uuid[], $2::uuid[]) AS orphan (service_id, id)
WHERE runs.service_id = orphan.service_id AND runs.id = orphan.id AND runs.state = 'queued'
""")


class Rooms(Struct, frozen=True, kw_only=True):
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
    rooms: Rooms = Rooms()


class TakenRun(Struct, frozen=True, kw_only=True):
    """A run and all that its ring needs, so that nothing is looked up at the due instant.

    Attributes:
        overlap_wait: How long it waited for its turn, in seconds.
        number: The attempt to come.
        first_started_at: When the first attempt began, if there was one.
        job_name: As it was when the run was taken.
        job_version: Of what was read here; a later take of the same run may know better.
        signing_secrets: As they are stored (storage.signing_secrets).
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
        """How late its attempt begins, apart from its wait for its turn."""
        return max((started_at - self.due_at).total_seconds() - self.overlap_wait, 0.0)


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
            # It may be that one was taken and is not told of (storage/fences.py). If so once more,
            # which is rarer still, it is handed over again.
            known = {row["id"] for row in told}
            missing = [key for key in command.runs if key[1] not in known]
            if missing:  # and none was named twice only
                rows += [row for row in await _take(driver, command, missing) if row["fits"]]
        orphans = [row for row in rows if row["version"] is None]
        if orphans:
            await driver.execute(
                _CANCEL,
                [row["service_id"] for row in orphans],
                [row["id"] for row in orphans],
                command.now,
            )
    return Taken(
        [_taken(row) for row in rows if row["version"] is not None],
        [(row["service_id"], row["id"]) for row in told if not row["fits"]],
    )


def _taken(row: asyncpg.Record) -> TakenRun:
    # What is decoded points into its text, of which each character may take four bytes.
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
    return await driver.fetch(
        TAKE,
        command.worker_id,
        [service_id for service_id, _ in runs],
        [run for _, run in runs],
        min(start for start, _ in windows),
        max(end for _, end in windows),
        command.until,
        [command.rooms.of_service.get(service_id, command.rooms.bytes) for service_id, _ in runs],
        command.rooms.bytes,
    )
