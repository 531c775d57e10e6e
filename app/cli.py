"""The command line."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from uuid import UUID

import click
import msgspec
import uvloop

# structlog would import rich, which something else brought along, for tracebacks on terminals:
# a tenth of every process's start.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    from app.metric_files import keep_in_memory

    keep_in_memory()  # before any metric is made
from app.logs import configure_logs  # noqa: E402
from app.operating import beside, run_on  # noqa: E402
from app.settings import Settings, SettingsError, read_settings  # noqa: E402
from storage.tracing import TracingError, is_wanted  # noqa: E402
from storage.tracing import begin as begin_traces  # noqa: E402


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """Tocsin rings other services on time. Settings are TOCSIN_* environment variables."""
    if not is_wanted(os.environ):
        # The same with redis-py and OpenTelemetry.
        sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]
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

    sys.exit(asyncio.run(start_everything(_readable(settings))))


@main.command()
@click.pass_obj
def api(settings: Settings) -> None:
    """Serve the REST API."""
    gc.disable()  # while much is imported; `serve` enables it
    from app.api import create_app
    from app.serving import serve
    from app.up.listening import inherited_socket

    _begin(settings, traced="api")
    _readable(settings)
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
    from app.metrics import serve_metrics
    from workers.main import DISPATCHER_ENDS_SECONDS, run_dispatcher
    from workers.process_health import ProcessHealth

    urls = _begin(settings, traced="dispatcher").shard_urls()
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
    from app.metrics import serve_metrics
    from workers.main import WORKER_ENDS_SECONDS, run_worker
    from workers.process_health import ProcessHealth

    urls = _readable(_begin(settings, traced="worker")).shard_urls()
    health = ProcessHealth()
    serve_metrics(settings.metrics_port, settings.host, health)
    run_until_signal(
        lambda stop: run_worker(
            urls,
            stop,
            retention=settings.retention,
            egress=settings.egress(),
            proxy=settings.egress_proxy,
            name_servers=settings.name_servers,
            actors=settings.actors,
            ring=settings.key_ring(),
            health=health,
        ),
        seconds=WORKER_ENDS_SECONDS,
    )


@main.command()
@click.pass_obj
def clock(settings: Settings) -> None:
    """Enqueue housekeeping, minute by minute."""
    from app.metrics import serve_metrics
    from workers.main import run_clock
    from workers.process_health import ProcessHealth

    urls = _begin(settings).shard_urls()
    health = ProcessHealth()
    serve_metrics(settings.metrics_port, settings.host, health)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    run_clock(urls.redis, health)


@main.command()
@click.option("--wait", is_flag=True, help="Only wait until the schema is there.")
@click.option("--within", default=600.0, show_default=True, help="Seconds to wait at most.")
@click.pass_obj
def migrate(settings: Settings, wait: bool, within: float) -> None:
    """Bring the database to the newest schema, or wait until somebody has."""
    from storage.heartbeats import measure_clock
    from storage.migrate import LockedOut, SchemaMissing, wait_for_schema
    from storage.migrate import migrate as apply_migrations
    from storage.postgres import Database

    urls = _begin(beside(settings)).shard_urls()

    async def work() -> None:
        database = Database(urls.primary)
        if wait:
            await wait_for_schema(database, within)
        else:
            await apply_migrations(database, await measure_clock(database))
        await database.close()

    try:
        run_on(work(), urls.primary)
    except (LockedOut, SchemaMissing) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check a deployment, and say what to do; exit with 1 if something fails."""
    from app.doctor.examine import Examination
    from app.doctor.finding import Level
    from app.doctor.report import as_lines, as_object

    found = uvloop.run(Examination(_readable(_begin(beside(settings)))).findings())
    click.echo(as_object(found) if as_json else as_lines(found))
    sys.exit(any(one.level is Level.FAIL for one in found))


@main.group()
def stats() -> None:
    """Statistics."""


@stats.command()
@click.option("--service", type=click.UUID, help="Id of the only service to do it for.")
@click.pass_obj
def rebuild(settings: Settings, service: UUID | None) -> None:
    """Count all runs that are kept anew; safe at any time, and to repeat when interrupted."""
    from commands.rebuild_stats import RebuildStats, rebuild_stats, services_to_rebuild
    from domain.errors import NotFound
    from storage.postgres import Database

    urls = _begin(beside(settings)).shard_urls()

    async def work() -> None:
        database = Database(urls.primary)
        chosen = [service] if service else await services_to_rebuild(database)
        for number, service_id in enumerate(chosen, start=1):
            await rebuild_stats(
                RebuildStats(service_id=service_id, now=datetime.now(UTC)), database
            )
            click.echo(f"{service_id} ({number} of {len(chosen)})")
        await database.close()

    try:
        run_on(work(), urls.primary)
    except NotFound as error:
        raise click.ClickException(error.detail) from None


@main.group()
def secrets() -> None:
    """Secrets of services."""


@secrets.command()
@click.pass_obj
def rotate(settings: Settings) -> None:
    """Encrypt all secrets anew with the first key; safe at any time, and to repeat."""
    from commands.reencrypt_secrets import ReencryptSecrets, reencrypt_secrets
    from storage.key_ring import Undecipherable
    from storage.postgres import Database

    settings = _readable(_begin(beside(settings)))
    urls = settings.shard_urls()

    async def work() -> None:
        database = Database(urls.primary)
        command = ReencryptSecrets(now=datetime.now(UTC))
        counts = await reencrypt_secrets(command, database, settings.key_ring())
        click.echo(
            f"Encrypted anew: {counts[0]} secrets, and the signing secrets of {counts[1]} services."
        )
        await database.close()

    try:
        run_on(work(), urls.primary)
    except Undecipherable as error:
        raise click.ClickException(str(error)) from None


@main.group()
def key() -> None:
    """API keys."""


@key.command()
@click.option("--service", help="Name of the service; made if it is new.")
@click.option("--operator", is_flag=True, help="A key of the installation's operator instead.")
@click.pass_obj
def create(settings: Settings, service: str | None, operator: bool) -> None:
    """Make an API key with all scopes and print it: it is not shown again."""
    from commands.bootstrap_key import BootstrapKey, bootstrap_key
    from storage.shards import Shards

    if (service is None) != operator:
        raise click.UsageError("Give either --service NAME or --operator.")
    settings = _readable(_begin(beside(settings)))
    urls = settings.shard_urls()

    async def work() -> str:
        shards = Shards(urls, ring=settings.key_ring())
        command = BootstrapKey(service_name=service, now=datetime.now(UTC))
        made = await bootstrap_key(command, shards)
        await shards.close()
        return made

    click.echo(run_on(work(), urls.pooler or urls.primary))


def _begin(settings: Settings, traced: str | None = None) -> Settings:
    """What every child process does first: know its servers, and end with its supervisor.

    Args:
        traced: What the process is called in traces, if it makes some.
    """
    from app.up.supervised import exit_with_parent

    try:
        settings.shard_urls()
        if traced is not None:
            begin_traces(traced, os.environ)
    except (SettingsError, TracingError) as error:
        raise click.ClickException(str(error)) from None
    exit_with_parent()
    return settings


def _readable(settings: Settings) -> Settings:
    """The same, once what only some processes look at makes sense."""
    try:
        settings.key_ring()
        settings.egress()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    return settings


if __name__ == "__main__":
    main()
