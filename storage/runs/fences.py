"""Whether runs are still as their owner knows them, by a statement that waits for nobody.

An UPDATE that had to wait for a row may tell of none though the row matches
(findings/update_that_waited_finds_nothing.sh): what it does not return is asked for again before
that is believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Sequence, Sized
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

import structlog
from msgspec import Struct

from storage.postgres.pools import Driver
from storage.sql import statement

log = structlog.get_logger()
Item = TypeVar("Item")
ASK_AT_MOST = 10
"""How often it is asked: in vain only where another transaction changed the very row meanwhile."""

_STILL = statement("attempts/still_fenced")


class Fence(Struct, frozen=True, kw_only=True):
    """What has to hold of a run for its owner to move it on.

    Attributes:
        due_at: None where it does not matter.
    """

    service_id: UUID
    job_id: UUID
    scheduled_for: datetime
    id: UUID
    owned_by: UUID
    state: str
    attempt_count: int
    due_at: datetime | None = None


class Moved(Container[UUID], Sized, Protocol):
    """The ids of runs that a statement told of."""


async def move_all(
    driver: Driver,
    items: Sequence[Item],
    move: Callable[[Sequence[Item]], Awaitable[Moved]],
    fence_of: Callable[[Item], Fence],
) -> Sequence[Item]:
    """Move runs on by a statement, and those again that it did not tell of though it should have.

    Args:
        items: What the statement is asked with, one for each run.
        move: Asks it, and returns the ids of the runs that it moved.
        fence_of: What has to hold of an item's run for it to be moved.

    Returns:
        The items whose runs it never moved, though it should have: there should be none.
    """
    for _ in range(ASK_AT_MOST):
        moved = await move(items)
        if len(moved) >= len(items):
            return ()
        missing = [(item, fence) for item in items if (fence := fence_of(item)).id not in moved]
        still = await still_fenced(driver, [fence for _, fence in missing])
        items = [item for item, fence in missing if fence.id in still]
        if not items:
            return ()
    return items


async def still_fenced(driver: Driver, fences: Sequence[Fence]) -> set[UUID]:
    """The ids of the runs whose fence still holds."""
    if not fences:
        return set()
    fire_times = [fence.scheduled_for for fence in fences]
    rows = await _STILL.fetch(
        driver,
        service_ids=[fence.service_id for fence in fences],
        job_ids=[fence.job_id for fence in fences],
        fire_times=fire_times,
        run_ids=[fence.id for fence in fences],
        owners=[fence.owned_by for fence in fences],
        states=[fence.state for fence in fences],
        attempt_counts=[fence.attempt_count for fence in fences],
        due_at=[fence.due_at for fence in fences],
        first=min(fire_times),
        last=max(fire_times),
    )
    found = {row["id"] for row in rows}
    if found:
        log.info("runs.asked_again", count=len(found))
    return found
