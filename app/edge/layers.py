"""What a request passes before Litestar sees it, in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from litestar import Litestar
from litestar.types import ASGIApp

from app.edge.admission import Admission
from app.edge.authentication.key_use import KeyUse
from app.edge.authentication.principals import Authentication
from app.edge.cached_reads import CachedReads, Remembered
from app.edge.cross_origin import CrossOrigin
from app.edge.large_answers import LargeAnswers
from app.edge.methods import Methods
from app.edge.observation import Observation
from app.edge.response_headers import ResponseHeaders
from app.edge.traced_requests import TracedRequests
from app.observability.clock_watch import ClockWatch
from app.settings import Settings
from storage.shards import Shards
from storage.tracing.spans import active

Layer = Callable[[ASGIApp], ASGIApp]


def through_the_edge(  # noqa: PLR0917
    litestar: Litestar,
    settings: Settings,
    shards: Shards,
    authentication: Authentication,
    key_use: KeyUse,
    clock: ClockWatch,
    remembered: Remembered,
) -> ASGIApp:
    """Litestar behind all layers.

    None is a middleware of Litestar: those run once a route is found, so they would see neither
    what the router refuses nor a request that needs no router.
    """
    layers: list[Layer] = [
        # Its span is around all that is done for a request.
        *_tracing(),
        # Gives the request its id, and counts what any layer below answers.
        Observation,
        # Refusals of the layers below need the headers too.
        partial(ResponseHeaders, tls=settings.tls),
        # A preflight has no credentials; and a page must be able to read a refusal.
        *_cross_origin(settings),
        # Before anything that costs more than finding out who asks, and how often.
        partial(
            Admission, authentication=authentication, shards=shards, clock=clock, key_use=key_use
        ),
        # Counts bytes by the service that admission found, from wherever the answer comes.
        LargeAnswers,
        # Answers before the router what was asked before: docs/adr/0010.
        partial(CachedReads, shards=shards, remembered=remembered),
        # Makes of HEAD the GET that Litestar has.
        partial(Methods, routes=litestar.routes),
    ]
    return _stacked(layers, litestar.asgi_handler)


def _tracing() -> list[Layer]:
    tracing = active()
    return [] if tracing is None else [partial(TracedRequests, tracing=tracing)]


def _cross_origin(settings: Settings) -> list[Layer]:
    return [partial(CrossOrigin, origins=settings.cors_origins)] if settings.cors_origins else []


def _stacked(layers: list[Layer], innermost: ASGIApp) -> ASGIApp:
    app = innermost
    for layer in reversed(layers):
        app = layer(app)
    return app
