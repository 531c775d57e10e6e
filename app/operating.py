"""What operators' commands have in common: they find the servers, and say what those refuse."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import click
import uvloop

from app.settings import Settings, SettingsError

T = TypeVar("T")


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
    from app.server_refusals import told_in_a_line  # noqa: PLC0415 (the same)

    with told_in_a_line(url):
        return uvloop.run(work)
