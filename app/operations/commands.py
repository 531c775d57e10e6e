"""Commands of whoever runs Tocsin: they do one thing on its servers, and end."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from uuid import UUID

import click
import uvloop

from app.operations.servers import begin, beside, readable, run_on
from app.settings import Settings


@click.command()
@click.option("--wait", is_flag=True, help="Only wait until the schema is there.")
@click.option("--within", default=600.0, show_default=True, help="Seconds to wait at most.")
@click.pass_obj
def migrate(settings: Settings, wait: bool, within: float) -> None:
    """Bring the database to the newest schema, or wait until somebody has."""
    from storage.postgres.heartbeats import measure_clock
    from storage.postgres.pools import Database
    from storage.schema.migrate import LockedOut, SchemaMissing, wait_for_schema
    from storage.schema.migrate import migrate as apply_migrations

    urls = begin(beside(settings)).shard_urls()

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


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check a deployment, and say what to do; exit with 1 if something fails."""
    from app.doctor.examine import Examination
    from app.doctor.finding import Level
    from app.doctor.report import as_lines, as_object

    found = uvloop.run(Examination(readable(begin(beside(settings)))).findings())
    click.echo(as_object(found) if as_json else as_lines(found))
    sys.exit(any(one.level is Level.FAIL for one in found))


@click.group()
def stats() -> None:
    """Statistics."""


@stats.command()
@click.option("--service", type=click.UUID, help="Id of the only service to do it for.")
@click.pass_obj
def rebuild(settings: Settings, service: UUID | None) -> None:
    """Count all runs that are kept anew; safe at any time, and to repeat when interrupted."""
    from commands.statistics.rebuild_statistics import (
        RebuildStats,
        rebuild_stats,
        services_to_rebuild,
    )
    from domain.errors import NotFound
    from storage.postgres.pools import Database

    urls = begin(beside(settings)).shard_urls()

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


@click.group()
def secrets() -> None:
    """Secrets of services."""


@secrets.command()
@click.pass_obj
def rotate(settings: Settings) -> None:
    """Encrypt all secrets anew with the first key; safe at any time, and to repeat."""
    from commands.secrets.reencrypt_secrets import ReencryptSecrets, reencrypt_secrets
    from storage.crypto.encryption_keys import Undecipherable
    from storage.postgres.pools import Database

    settings = readable(begin(beside(settings)))
    urls = settings.shard_urls()

    async def work() -> None:
        database = Database(urls.primary)
        command = ReencryptSecrets(now=datetime.now(UTC))
        counts = await reencrypt_secrets(command, database, settings.encryption())
        click.echo(
            f"Encrypted anew: {counts[0]} secrets, and the signing secrets of {counts[1]} services."
        )
        await database.close()

    try:
        run_on(work(), urls.primary)
    except Undecipherable as error:
        raise click.ClickException(str(error)) from None


@click.group()
def key() -> None:
    """API keys."""


@key.command()
@click.option("--service", help="Name of the service; made if it is new.")
@click.option("--operator", is_flag=True, help="A key of the installation's operator instead.")
@click.pass_obj
def create(settings: Settings, service: str | None, operator: bool) -> None:
    """Make an API key with all scopes and print it: it is not shown again."""
    from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
    from storage.shards import Shards

    if (service is None) != operator:
        raise click.UsageError("Give either --service NAME or --operator.")
    settings = readable(begin(beside(settings)))
    urls = settings.shard_urls()

    async def work() -> str:
        shards = Shards(urls, keys=settings.encryption())
        command = BootstrapKey(service_name=service, now=datetime.now(UTC))
        made = await bootstrap_key(command, shards)
        await shards.close()
        return made

    click.echo(run_on(work(), urls.pooler or urls.primary))


OPERATOR_COMMANDS: tuple[click.Command, ...] = (migrate, doctor, stats, secrets, key)
