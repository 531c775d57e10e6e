"""`/audit`: who did what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import QueryParameter

from app.requests.access import Access
from app.requests.cursors import Cursor, Limit, by_moment
from app.requests.request import ServiceRequest
from app.requests.windows import Grain
from app.schemas.audit import AuditPage, AuditResource
from queries.services.list_audit import ListAudit, list_audit

PRINTABLE = r"^[!-~]+(?!\n)$"
WINDOW = Grain(
    bucket=timedelta(microseconds=1), default=timedelta(days=7), longest=timedelta(days=400)
)
_CURSORS = by_moment("audit")


@get(
    "/audit",
    operation_id="listAudit",
    needs=Access.ADMIN,
    summary="List what was done, newest first",
    tags=["Audit"],
)
async def list_audit_entries(  # noqa: PLR0917
    request: ServiceRequest,
    from_: Annotated[
        datetime | None,
        QueryParameter(name="from", description="RFC 3339; 7 days before `to` if left out"),
    ] = None,
    to: Annotated[datetime | None, QueryParameter(description="RFC 3339; now if left out")] = None,
    action: Annotated[str | None, QueryParameter(pattern=PRINTABLE, max_length=64)] = None,
    principal: Annotated[str | None, QueryParameter(pattern=PRINTABLE, max_length=300)] = None,
    object_id: Annotated[UUID | None, QueryParameter(description="Id of what was changed")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditPage:
    """A page of the calling service's audit trail."""
    since, before = WINDOW.window(from_, to, datetime.now(UTC))
    query = ListAudit(
        caller=request.caller,
        since=since,
        before=before,
        behind=_CURSORS.after(cursor),
        action=action,
        principal=principal,
        object_id=object_id,
        limit=limit,
    )
    found = await list_audit(query, request.shards)
    return AuditPage(
        items=[AuditResource.of(entry) for entry in found.items],
        next_cursor=_CURSORS.behind_cut(found, lambda entry: (entry.at, entry.id)),
    )
