"""The audit trail: one row a command, in the command's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.access.caller import Caller
from domain.ids import new_id
from storage.postgres.pools import Driver

DETAILS_BYTES = 8 * 1024
"""Of a row's details; there are as many rows a minute as a service may write."""
DETAIL_BYTES = 512
"""Of each detail that stays, where all together are more than that."""

_RECORD = """
INSERT INTO audit
    (service_id, at, id, principal, action, object_id, request_id, address, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def record(
    driver: Driver, caller: Caller, action: str, object_id: UUID, now: datetime, **details: Any
) -> None:
    """Write who did what to which object.

    Args:
        action: `noun.past_tense`, such as `job.created`.
        details: What changed, as JSON; never a target's body or headers.
    """
    await driver.execute(
        _RECORD,
        caller.service_id,
        now,
        new_id(),
        caller.principal,
        action,
        object_id,
        caller.request_id,
        caller.address,
        msgspec.json.encode(bounded(details)).decode(),
    )


def bounded(details: dict[str, Any]) -> dict[str, Any]:
    """What of the details a row takes: without what is long, if all of it is more than it may."""
    if len(msgspec.json.encode(details)) <= DETAILS_BYTES:
        return details
    short = {
        name: value
        for name, value in details.items()
        if len(msgspec.json.encode(value)) <= DETAIL_BYTES
    }
    return {**short, "left_out": sorted(details.keys() - short.keys())}
