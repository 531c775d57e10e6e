"""The command line."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from importlib.metadata import version as version_of

import click
import msgspec

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    from app.observability.metric_files import keep_in_memory

    keep_in_memory()  # before any metric is made
from app.observability.logs import configure_logs
from app.operations.commands import OPERATOR_COMMANDS
from app.operations.servers import begin, readable
from app.settings import Settings, SettingsError, read_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Tocsin rings other services on time. Settings are TOCSIN_* environment variables."""
    try:
        context.obj = read_settings(os.environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    configure_logs(context.obj.log_level)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(version_of("tocsin"))


@main.command()
@click.pass_obj
def up(settings: Settings) -> None:
    """Start everything: embedded servers, API, dispatcher, worker and clock."""
    from app.up.run import up as start_everything

    sys.exit(asyncio.run(start_everything(readable(settings))))


@main.command()
@click.pass_obj
def api(settings: Settings) -> None:
    """Serve the REST API."""
    gc.disable()  # while much is imported; `serve` enables it
    from app.api import create_app
    from app.edge.connections.serving import serve
    from app.up.listening import inherited_socket

    begin(settings, traced="api")
    readable(settings)
    listening = inherited_socket()
    if listening is not None:
        # One of several on a port that they share: it has no other to itself.
        settings = msgspec.structs.replace(settings, metrics_port=0)
    serve(
        create_app(settings),
        settings.host,
        settings.port,
        listening,
        metrics_port=settings.metrics_port,
        tls=settings.tls,
    )


@main.command()
@click.pass_obj
def dispatcher(settings: Settings) -> None:
    """Claim what falls due and hand it over to the workers."""
    from app.ending import run_until_signal
    from app.observability.metrics import serve_metrics
    from workers.main import DISPATCHER_ENDS_SECONDS, run_dispatcher
    from workers.process_health import ProcessHealth

    urls = begin(settings, traced="dispatcher").shard_urls()
    health = ProcessHealth()
    serve_metrics(settings.metrics_port, settings.host, health)
    run_until_signal(
        lambda stop: run_dispatcher(urls, stop, health), seconds=DISPATCHER_ENDS_SECONDS
    )


@main.command()
@click.pass_obj
def worker(settings: Settings) -> None:
    """Ring targets."""
    from app.ending import run_until_signal
    from app.observability.metrics import serve_metrics
    from workers.main import WORKER_ENDS_SECONDS, run_worker
    from workers.process_health import ProcessHealth

    urls = readable(begin(settings, traced="worker")).shard_urls()
    health = ProcessHealth()
    serve_metrics(settings.metrics_port, settings.host, health)
    run_until_signal(
        lambda stop: run_worker(
            urls,
            stop,
            retention=settings.retention,
            allowed=settings.allowed(),
            proxy=settings.egress_proxy,
            name_servers=settings.name_servers,
            keys=settings.encryption(),
            health=health,
        ),
        seconds=WORKER_ENDS_SECONDS,
    )


@main.command()
@click.pass_obj
def clock(settings: Settings) -> None:
    """Enqueue housekeeping, minute by minute."""
    from app.observability.metrics import serve_metrics
    from workers.main import run_clock
    from workers.process_health import ProcessHealth

    urls = begin(settings).shard_urls()
    health = ProcessHealth()
    serve_metrics(settings.metrics_port, settings.host, health)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    run_clock(urls.redis, health)


for operators in OPERATOR_COMMANDS:
    main.add_command(operators)

if __name__ == "__main__":
    main()
