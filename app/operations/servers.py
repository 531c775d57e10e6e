"""What commands have in common: they find their servers, and say in a line what is wrong."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import uvloop

from app.settings import Settings, SettingsError
from storage.tracing.spans import TracingError
from storage.tracing.spans import begin as begin_traces

T = TypeVar("T")


def begin(settings: Settings, traced: str | None = None) -> Settings:
    """What every child process does first: know its servers, and end with its supervisor.

    Args:
        traced: What the process is called in traces, if it makes some.
    """
    from app.up.supervised import exit_with_parent  # noqa: PLC0415 (`version` is instant)

    try:
        settings.shard_urls()
        if traced is not None:
            begin_traces(traced, os.environ)
    except (SettingsError, TracingError) as error:
        raise click.ClickException(str(error)) from None
    exit_with_parent()
    return settings


def readable(settings: Settings) -> Settings:
    """The same, once what only some processes look at makes sense."""
    try:
        settings.encryption()
        settings.allowed()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    return settings


def beside(settings: Settings) -> Settings:
    """The settings, with the servers of the `tocsin up` that runs here where none are set."""
    from app.up.beside import beside_up  # noqa: PLC0415 (our processes have no use for it)

    try:
        found = beside_up(settings)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    if found is not settings:
        click.echo(f"Asking what runs in {settings.data_dir.resolve()}.", err=True)
    return found


def run_on(work: Coroutine[Any, Any, T], url: str) -> T:
    """Do the work of a command on the Postgres of a URL; what that refuses is told in a line."""
    from app.operations.server_refusals import told_in_a_line  # noqa: PLC0415 (the same)

    with told_in_a_line(url):
        return uvloop.run(work)
