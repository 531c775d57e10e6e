"""What is due, by an index: in the order in which it is, or with services taking turns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.turns import fair_shares
from storage.clock_offset import refuse_if_ahead
from storage.postgres import Driver

DEFERRED_AHEAD = timedelta(milliseconds=500)
"""A run whose target rests is claimed so long before it may ring; nothing is gained by more."""

_COLUMNS = """
service_id, id, schedule, catchup, overlap, next_fire_for, next_claim_at, accounted_to,
    claimed_for, run_count, calendars, calendar_change
"""

_JOBS_DUE = "next_claim_at <= $1 AND next_claim_at >= $2"

# Of each service as many as one claim takes: more need not be told apart.
_COUNT_JOBS = f"""
SELECT services.id AS service_id, due.count
FROM services CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM jobs WHERE jobs.service_id = services.id AND {_JOBS_DUE} LIMIT $3
    ) AS first
) AS due
WHERE due.count > 0
"""

_RETRIES_DUE = "retry_at <= $1 AND (retry_at = due_at OR retry_at <= $2)"

# From one service that has retries to the next: few have, and each partition has its own index.
_COUNT_RETRIES = f"""
WITH RECURSIVE known AS (
    (SELECT service_id FROM runs WHERE retry_at IS NOT NULL ORDER BY service_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT runs.service_id FROM runs
        WHERE retry_at IS NOT NULL AND runs.service_id > known.service_id
        ORDER BY runs.service_id LIMIT 1
    )
    FROM known WHERE known.service_id IS NOT NULL
)
SELECT known.service_id, due.count
FROM known CROSS JOIN LATERAL (
    SELECT count(*) AS count FROM (
        SELECT FROM runs WHERE runs.service_id = known.service_id AND {_RETRIES_DUE} LIMIT $3
    ) AS first
) AS due
WHERE due.count > 0
"""


# Two lanes, so that what is on time never waits behind what is late. Of the latter, the newest
# comes first: the older it is, the less it matters how much older it gets.
def _jobs_by(order: str) -> str:
    return f"""
SELECT {_COLUMNS}
FROM jobs
WHERE {_JOBS_DUE}
ORDER BY next_claim_at {order}
LIMIT $3
FOR UPDATE OF jobs SKIP LOCKED
"""


def _jobs_in_turns_by(order: str) -> str:
    return f"""
SELECT due.*
FROM unnest($3::uuid[], $4::int[]) AS share (of_service, most)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS}
    FROM jobs
    WHERE jobs.service_id = share.of_service AND {_JOBS_DUE}
    ORDER BY next_claim_at {order}
    LIMIT share.most
    FOR UPDATE OF jobs SKIP LOCKED
) AS due
"""


_JOBS = {late: _jobs_by("DESC" if late else "ASC") for late in (False, True)}
_JOBS_IN_TURNS = {late: _jobs_in_turns_by("DESC" if late else "ASC") for late in (False, True)}
# Planned for any limit, Postgres would read all that is due and sort it: 80 ms instead of one,
# where 100,000 jobs are.
_IN_ORDER_OF_THE_INDEX = """
SELECT set_config('enable_sort', 'off', true), clock_timestamp() AS database_now
"""

_KEY = "service_id, job_id, scheduled_for, generation"


def _claim(due: str) -> str:
    return f"""
UPDATE runs
SET retry_at = NULL, held_by = $3
WHERE ({_KEY}) IN ({due})
RETURNING service_id, id, due_at
"""


_RETRIES = _claim(f"""
    SELECT {_KEY} FROM runs
    WHERE {_RETRIES_DUE}
    ORDER BY retry_at
    LIMIT $4
    FOR UPDATE SKIP LOCKED
""")

_RETRIES_IN_TURNS = _claim(f"""
    SELECT {_KEY}
    FROM unnest($4::uuid[], $5::int[]) AS share (of_service, most)
    CROSS JOIN LATERAL (
        SELECT {_KEY} FROM runs
        WHERE runs.service_id = share.of_service AND {_RETRIES_DUE}
        ORDER BY retry_at
        LIMIT share.most
        FOR UPDATE SKIP LOCKED
    ) AS due
""")


class Turns(Struct, frozen=True, kw_only=True):
    """How services share a claim.

    Attributes:
        held: What the claimer holds of each already.
        room: What it may hold further. A service may hold no more than is left free: so one flood
            takes half of all room at most, and there is always some for others.
    """

    held: Mapping[UUID, int]
    room: int

    def shares(self, due: Mapping[UUID, int], most: int) -> dict[UUID, int]:
        """How many of what is due of each service are to be claimed."""
        wanted = {
            service_id: min(count, max(self.room - self.held.get(service_id, 0), 0))
            for service_id, count in due.items()
        }
        return fair_shares(wanted, min(most, max(self.room, 0)))


async def prepare_claim(driver: Driver, now: datetime, most_offset: timedelta | None) -> None:
    """Have a transaction claim by indexes, if its `now` has come by the database's clock.

    Raises:
        ClockAhead: When it comes later than the offset allows.
    """
    (row,) = await driver.fetch(_IN_ORDER_OF_THE_INDEX)
    if most_offset is not None:
        refuse_if_ahead(now, row["database_now"], most_offset)


async def due_jobs(
    driver: Driver,
    until: datetime,
    since: datetime,
    most: int,
    turns: Turns | None,
    *,
    late: bool = False,
) -> list[asyncpg.Record]:
    """Lock, in a transaction, jobs that fall due from `since` to `until` and are not locked yet.

    Args:
        most: How many at most.
        turns: None takes them in their order, which is cheaper.
        late: Take those first that fell due last.
    """
    if turns is None:
        return await driver.fetch(_JOBS[late], until, since, most)
    rows = await driver.fetch(_COUNT_JOBS, until, since, most)
    shares = turns.shares({row["service_id"]: row["count"] for row in rows}, most)
    return await driver.fetch(
        _JOBS_IN_TURNS[late], until, since, list(shares), list(shares.values())
    )


async def claim_retries(  # noqa: PLR0917 (what is due, and how much of it)
    driver: Driver,
    holder: UUID,
    now: datetime,
    until: datetime,
    most: int,
    turns: Turns | None,
) -> list[asyncpg.Record]:
    """Claim retries that are due by `until`, and runs whose target's rest is over."""
    rested = now + DEFERRED_AHEAD
    if turns is None:
        return await driver.fetch(_RETRIES, until, rested, holder, most)
    rows = await driver.fetch(_COUNT_RETRIES, until, rested, most)
    shares = turns.shares({row["service_id"]: row["count"] for row in rows}, most)
    if not shares:
        return []
    return await driver.fetch(
        _RETRIES_IN_TURNS, until, rested, holder, list(shares), list(shares.values())
    )
