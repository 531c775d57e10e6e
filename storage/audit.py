"""The audit trail: one row a command, in the command's own transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from domain.caller import Caller
from domain.ids import new_id
from storage.tables import audit
from storage.transactions import WriteConnection


async def record(
    connection: WriteConnection,
    caller: Caller,
    action: str,
    object_id: UUID,
    now: datetime,
    **details: Any,
) -> None:
    """Write who did what to which object.

    Args:
        action: `noun.past_tense`, such as `job.created`.
        details: What changed, as JSON; never a target's body or headers.
    """
    await connection.execute(
        insert(audit).values(
            service_id=caller.service_id,
            at=now,
            id=new_id(),
            principal=caller.principal,
            action=action,
            object_id=object_id,
            request_id=caller.request_id,
            details=details,
        )
    )
