"""What a server refused an operator's command, in one line that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
import click
from sqlalchemy.exc import DBAPIError

from storage.error_kinds import beneath, kind_of
from storage.postgres.pools import UNREACHABLE

_WHICH = "set TOCSIN_PRIMARY_URL right"
# The first that fits.
_ADVICE: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (asyncpg.InvalidAuthorizationSpecificationError,),
        f"refuses the user or the password: {_WHICH}",
    ),
    ((asyncpg.InvalidCatalogNameError,), f"has no such database: make it, or {_WHICH}"),
    (
        (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError),
        "has not the tables of this version: run `tocsin migrate`",
    ),
    (
        (asyncpg.InsufficientPrivilegeError,),
        "does not let this user do that: make it the owner of the database",
    ),
    ((asyncpg.ReadOnlySQLTransactionError,), f"takes no writes: {_WHICH}, to the primary"),
    (
        (asyncpg.TargetServerAttributeNotMatched,),
        f"is on none of these hosts: {_WHICH}, or wait until one takes writes",
    ),
    ((asyncpg.CannotConnectNowError,), "is starting or stopping: try again shortly"),
    (
        (asyncpg.TooManyConnectionsError,),
        "has no connection left: ask `tocsin doctor`",
    ),
    ((asyncpg.ClientConfigurationError, ValueError), f"cannot be found by this URL: {_WHICH}"),
    (UNREACHABLE, f"does not answer: start it, or {_WHICH}"),
)


@contextmanager
def told_in_a_line(url: str) -> Iterator[None]:
    """Turn what the Postgres of a URL refuses into an error of the command line.

    What is none of that is a fault of ours and goes on.
    """
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, ValueError, *UNREACHABLE) as error:
        advice = advice_on(error)
        if advice is None:
            raise
        raise click.ClickException(f"Postgres{_place(url)} {advice} ({kind_of(error)}).") from None


def advice_on(error: BaseException) -> str | None:
    """What is wrong and what to do; None where it is not the server that is to be looked at."""
    below = beneath(error)
    return next((advice for kinds, advice in _ADVICE if isinstance(below, kinds)), None)


def _place(url: str) -> str:
    """Its hosts and database, and nothing of who asks."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    hosts = parts.netloc.rpartition("@")[2]
    return f" at {hosts}{parts.path}" if hosts else ""
