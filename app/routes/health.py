"""`/health` and `/metrics`, for whoever runs Tocsin."""

from __future__ import annotations

from collections.abc import Mapping

from litestar import Controller, MediaType, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST

from app.observability.metrics import exposition
from app.observability.readiness import Readiness
from app.requests.access import Access
from app.requests.request import ServiceRequest

# Litestar adds the charset of text.
_MEDIA_TYPE = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")


class Health(Struct, frozen=True):
    """`ok`, or `unavailable` with what is wrong by server."""

    status: str
    servers: Mapping[str, str] = {}


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
        readiness: Readiness = request.app.state.readiness
        servers = dict(await readiness.servers())
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
    """The metrics of every process on this host that shares the metrics directory.

    On `TOCSIN_METRICS_PORT` alone, if that is set. Elsewhere a proxy has to hide them: so at this
    very address, and in no other spelling of it.
    """
    _, port = request.scope["server"] or ("", None)
    own_port = request.app.state.metrics_port
    if request.scope["raw_path"] != b"/metrics" or own_port not in {0, port}:
        raise NotFoundException
    return Response(await exposition(request.shards), media_type=_MEDIA_TYPE)
