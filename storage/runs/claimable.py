"""What is due, by an index: in the order in which it is, or with services taking claim_shares."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import Struct

from domain.quotas.share import fair_shares
from storage.postgres.clock_offset import refuse_if_ahead
from storage.postgres.pools import Driver
from storage.sql import statement

DEFERRED_AHEAD = timedelta(milliseconds=500)
"""A run whose target rests is claimed so long before it may ring; nothing is gained by more."""

_PREPARE = statement("claims/prepare")
_JOBS = {late: statement(f"claims/{'late' if late else 'due'}_jobs") for late in (False, True)}
_JOBS_BY_SHARE = {
    late: statement(f"claims/{'late' if late else 'due'}_jobs_by_share") for late in (False, True)
}
_COUNT_JOBS = statement("claims/count_due_jobs")
_RETRIES = statement("claims/claim_retries")
_RETRIES_BY_SHARE = statement("claims/claim_retries_by_share")
_COUNT_RETRIES = statement("claims/count_due_retries")


class ClaimShares(Struct, frozen=True, kw_only=True):
    """How services share a claim.

    Attributes:
        held: What the claimer holds of each already.
        room: What it may hold further. A service may hold no more than is left free: so one flood
            takes half of all room at most, and there is always some for others.
    """

    held: Mapping[UUID, int]
    room: int

    def divide(self, due: Mapping[UUID, int], most: int) -> dict[UUID, int]:
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
    (row,) = await _PREPARE.fetch(driver)
    if most_offset is not None:
        refuse_if_ahead(now, row["database_now"], most_offset)


async def claimable_jobs(
    driver: Driver,
    until: datetime,
    since: datetime,
    most: int,
    claim_shares: ClaimShares | None,
    *,
    late: bool = False,
) -> list[asyncpg.Record]:
    """Lock, in a transaction, jobs that fall due from `since` to `until` and are not locked yet.

    Args:
        most: How many at most.
        claim_shares: None takes them in their order, which is cheaper.
        late: Take those first that fell due last.
    """
    if claim_shares is None:
        return await _JOBS[late].fetch(driver, until=until, since=since, most=most)
    rows = await _COUNT_JOBS.fetch(driver, until=until, since=since, most=most)
    shares = claim_shares.divide({row["service_id"]: row["count"] for row in rows}, most)
    return await _JOBS_BY_SHARE[late].fetch(
        driver,
        until=until,
        since=since,
        service_ids=list(shares),
        shares=list(shares.values()),
    )


async def claim_retries(  # noqa: PLR0917 (what is due, and how much of it)
    driver: Driver,
    holder: UUID,
    now: datetime,
    until: datetime,
    most: int,
    claim_shares: ClaimShares | None,
) -> list[asyncpg.Record]:
    """Claim retries that are due by `until`, and runs whose target's rest is over."""
    deferred_until = now + DEFERRED_AHEAD
    if claim_shares is None:
        return await _RETRIES.fetch(
            driver, until=until, deferred_until=deferred_until, dispatcher_id=holder, most=most
        )
    rows = await _COUNT_RETRIES.fetch(driver, until=until, deferred_until=deferred_until, most=most)
    shares = claim_shares.divide({row["service_id"]: row["count"] for row in rows}, most)
    if not shares:
        return []
    return await _RETRIES_BY_SHARE.fetch(
        driver,
        until=until,
        deferred_until=deferred_until,
        dispatcher_id=holder,
        service_ids=list(shares),
        shares=list(shares.values()),
    )
