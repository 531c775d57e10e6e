"""Metrics, right with several processes: they share a directory of files.

`PROMETHEUS_MULTIPROC_DIR` names that directory. Without it, a process tells of itself alone.
"""

from __future__ import annotations

import os

import asyncpg
import structlog
from dramatiq import BrokerError
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Gauge,
    generate_latest,
    make_wsgi_app,
    start_http_server,
)
from redis.exceptions import RedisError

from app.observability.metric_files import VARIABLE, SharedMetrics
from app.observability.process_health import ReportsHealth, with_health
from storage.error_kinds import kind_of
from storage.postgres.pools import UNREACHABLE
from storage.postgres.routed_reads import ANYWHERE
from storage.runs.events import waiting_events
from storage.shards import Shards

log = structlog.get_logger()
DEPTH = Gauge(
    "tocsin_queue_messages",
    "Messages that wait for a worker.",
    multiprocess_mode="mostrecent",
)
EVENTS = Gauge(
    "tocsin_waiting_run_events",
    "Batches of ended runs that are not yet counted in the statistics.",
    multiprocess_mode="mostrecent",
)


async def exposition(shards: Shards) -> bytes:
    """All metrics in Prometheus' text format."""
    try:
        DEPTH.set(sum([await shard.queue.depth() for shard in shards.all()]))
    except (RedisError, BrokerError) as error:
        log.warning("metrics.queue_depth_unknown", error=kind_of(error))
    try:
        EVENTS.set(await _waiting_events(shards))
    except (asyncpg.PostgresError, *UNREACHABLE) as error:
        log.warning("metrics.waiting_events_unknown", error=kind_of(error))
    return generate_latest(_registry())


async def _waiting_events(shards: Shards) -> int:
    return sum([await shard.reads.read(ANYWHERE, waiting_events) for shard in shards.all()])


def serve_metrics(port: int, host: str, vitals: ReportsHealth) -> None:
    """Serve `/metrics` and the health of a process that is no API; port 0 serves nothing."""
    if port:
        registry = _registry()
        server, _ = start_http_server(port, addr=host, registry=registry)
        server.set_app(with_health(make_wsgi_app(registry), vitals))


def _registry() -> CollectorRegistry:
    if VARIABLE not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    SharedMetrics(registry)  # type: ignore[no-untyped-call]
    return registry
