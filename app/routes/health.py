"""`/health` and `/metrics`, for whoever runs Tocsin."""

from __future__ import annotations

import asyncio

from litestar import Controller, MediaType, Response, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from app.access import Access
from app.metrics import exposition
from app.requests import ServiceRequest
from queries.check_servers import check_servers

CHECK_SECONDS = 2.0


class Health(Struct, frozen=True):
    """`ok`, or `unavailable` with what is wrong by server."""

    status: str
    servers: dict[str, str] = {}


class HealthController(Controller):
    """Live: the loop turns. Ready: requests can be served."""

    path = "/health"
    tags = ("Operations",)

    @get("/live", operation_id="isLive", needs=Access.PUBLIC, summary="Whether the process runs")
    async def live(self) -> Health:
        return Health("ok")

    @get(
        "/ready",
        operation_id="isReady",
        needs=Access.PUBLIC,
        summary="Whether requests can be served",
        responses={503: ResponseSpec(Health, description="Not now", generate_examples=False)},
    )
    async def ready(self, request: ServiceRequest) -> Response[Health]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                servers = await check_servers(request.shards)
        except TimeoutError:
            servers = {"primary": f"no answer within {CHECK_SECONDS:g} s"}
        wrong = request.app.state.clock.wrong()
        if wrong:
            servers["clock"] = wrong
        # Without replicas or Redis requests are slower, without the primary they fail.
        ready = servers["primary"] == "ok" and not wrong
        return Response(
            Health("ok" if ready else "unavailable", servers), status_code=200 if ready else 503
        )


@get(
    "/metrics",
    operation_id="getMetrics",
    needs=Access.PUBLIC,
    summary="Metrics for Prometheus",
    tags=["Operations"],
    media_type=MediaType.TEXT,
)
async def metrics(request: ServiceRequest) -> Response[bytes]:
    """The metrics of every process on this host that shares the metrics directory."""
    return Response(await exposition(request.shards), media_type=CONTENT_TYPE_LATEST)
