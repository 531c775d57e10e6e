"""Our API, as it is or without authentication and rate limits: what those cost a request."""

import os
import sys
from uuid import UUID

from litestar.types import ASGIApp, Receive, Scope, Send

from app.api import create_app
from app.edge.authentication.principals import Principal
from app.edge.cached_reads import CachedReads
from app.edge.connections.serving import serve
from app.edge.observation import Observation
from app.edge.response_headers import ResponseHeaders
from app.observability.logs import configure_logs
from app.settings import read_settings
from domain.access.scopes import ALL_SCOPES
from domain.quotas.limits import Limits
from loadtests.compare.served import end_with_parent


class Open:
    """Lets everybody in, as one principal."""

    def __init__(self, app: ASGIApp, service_id: UUID) -> None:
        self._app = app
        self._principal = Principal(
            name="anybody",
            key=None,
            subject=None,
            service_id=service_id,
            scopes=ALL_SCOPES,
            operator=False,
            limits=Limits(),
            until=None,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["principal"] = self._principal
        await self._app(scope, receive, send)


def main(port: int, service_id: str | None) -> None:
    """Serve; with a service, everybody is let in to it."""
    end_with_parent()
    settings = read_settings(os.environ)
    configure_logs(settings.log_level)
    app = create_app(settings)
    if service_id is not None:
        reads = CachedReads(app.asgi_router, app.state.shards, app.state.remembered)
        opened = Open(reads, UUID(service_id))
        app.asgi_handler = Observation(ResponseHeaders(opened, tls=settings.tls))
    serve(app, "127.0.0.1", port)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
