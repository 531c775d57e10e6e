"""`/targets`: how the calling service's targets fare."""

from __future__ import annotations

from datetime import UTC, datetime

from litestar import get

from app.requests.access import Access
from app.requests.request import ServiceRequest
from app.schemas.targets import TargetList, TargetResource
from queries.services.list_targets import ListTargets, list_targets

MAX_TARGETS = 1_000


@get(
    "/targets",
    operation_id="listTargets",
    needs=Access.READ,
    summary="Targets rung lately: how they fare, and what they are given at most",
    description="What workers know, a second or two old. Targets in trouble come first.",
    tags=["Targets"],
)
async def targets(request: ServiceRequest) -> TargetList:
    """The calling service's targets."""
    now = datetime.now(UTC)
    found = await list_targets(ListTargets(caller=request.caller, now=now), request.shards)
    return TargetList(
        items=[TargetResource.of(view, now) for view in found[:MAX_TARGETS]],
        more=len(found) > MAX_TARGETS,
    )
