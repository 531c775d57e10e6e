"""The Litestar application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.static_files import create_static_files_router
from litestar_offline_docs import __file__ as offline_docs

from app.edge.authentication.authorization import authorize
from app.edge.authentication.key_use import KeyUse
from app.edge.authentication.principals import Authentication
from app.edge.cached_reads import Remembered
from app.edge.layers import through_the_edge
from app.observability.clock_watch import ClockWatch
from app.observability.readiness import Readiness
from app.openapi.document import openapi_document
from app.openapi.page import ASSETS, openapi_config, page_script
from app.requests.access import rules
from app.requests.query_strings import check_query
from app.requests.request import MAX_BODY_BYTES, ServiceRequest
from app.responses.problems import HANDLERS
from app.routes.audit import list_audit_entries
from app.routes.backfills import BackfillController
from app.routes.calendars import CalendarController
from app.routes.health import HealthController, metrics
from app.routes.history import JobHistoryController
from app.routes.jobs import JobController
from app.routes.keys import ServiceKeyController
from app.routes.me import MeController
from app.routes.members import MemberController
from app.routes.runs import RunController
from app.routes.schedules import preview_schedule
from app.routes.secrets import SecretController
from app.routes.services import ServiceController
from app.routes.signing_secrets import SigningSecretController
from app.routes.stats import job_stats, service_stats
from app.routes.targets import targets
from app.settings import Settings
from commands.jobs import trigger_job
from domain.schedules.clocks.zones import VERSION
from queries.jobs import get_job
from queries.jobs import pages as job_pages
from queries.keys import find_key
from storage.cache import encoded_jobs
from storage.jobs import inserts as job_inserts
from storage.jobs.zone_tables import watch_tables
from storage.postgres.pools import LOCK_SECONDS
from storage.shards import Shards

if TYPE_CHECKING:
    from app.edge.authentication.tokens import Tokens

log = structlog.get_logger()
HOT = (job_inserts.INSERT.text, trigger_job.JOB, trigger_job.RUN.text)
"""Statements that the primary plans before the first request comes."""
HOT_READS = (
    find_key.FIND.text,
    get_job.GET,
    job_pages.NEWEST.text,
    encoded_jobs.READ,
    encoded_jobs.READ_MANY,
)
"""Those of the replicas."""


def create_app(settings: Settings) -> Litestar:
    """The API, ready to be served.

    Raises:
        SettingsError: When a server is not set, or a setting makes no sense.
    """
    shards = Shards(
        settings.shard_urls(),
        pool_size=settings.pool_size,
        lock_seconds=LOCK_SECONDS,
        keys=settings.encryption(),
    )
    authentication = Authentication(shards, _tokens(settings))
    clock = ClockWatch(shards)
    key_use = KeyUse(shards)
    remembered = Remembered()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        background = [
            asyncio.create_task(shards.watch()),
            asyncio.create_task(clock.run()),
            asyncio.create_task(key_use.run()),
            *(asyncio.create_task(watch_tables(shard.database)) for shard in shards.all()),
            *(asyncio.create_task(shard.warm_up(HOT, HOT_READS)) for shard in shards.all()),
        ]
        log.info("api.started", tzdata=VERSION)
        yield
        for task in background:
            task.cancel()
        await key_use.write()
        await shards.close()

    app = Litestar(
        route_handlers=[
            _service_routes(),
            HealthController,
            metrics,
            openapi_document,
            page_script,
            create_static_files_router(ASSETS, [_assets()], include_in_schema=False),
        ],
        state=State(
            {
                "shards": shards,
                "clock": clock,
                "remembered": remembered,
                "authentication": authentication,
                "allowed": settings.allowed(),
                "readiness": Readiness(shards),
                "metrics_port": settings.metrics_port,
            }
        ),
        lifespan=[lifespan],
        exception_handlers=HANDLERS,
        request_class=ServiceRequest,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=openapi_config(),
        logging_config=None,
    )
    app.asgi_handler = through_the_edge(
        app, settings, shards, authentication, key_use, clock, remembered
    )
    list(rules(app))  # none is missing
    return app


def _service_routes() -> Router:
    """All that asks who calls."""
    return Router(
        path="/",
        route_handlers=[
            JobController,
            JobHistoryController,
            RunController,
            BackfillController,
            CalendarController,
            preview_schedule,
            ServiceController,
            ServiceKeyController,
            SecretController,
            SigningSecretController,
            MemberController,
            MeController,
            list_audit_entries,
            job_stats,
            service_stats,
            targets,
        ],
        guards=[authorize, check_query],
        security=[{"api_key": []}],
    )


def _tokens(settings: Settings) -> Tokens | None:
    """The check of people's tokens, if an identity provider is set."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    from app.edge.authentication.identity_provider import IdentityProvider  # noqa: PLC0415 (its libraries are large)
    from app.edge.authentication.tokens import Tokens  # noqa: PLC0415

    provider = IdentityProvider(settings.oidc_issuer)
    return Tokens(provider, settings.oidc_audience, settings.oidc_algorithms)


def _assets() -> str:
    return offline_docs.rpartition("/")[0] + "/static"
