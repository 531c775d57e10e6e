"""The primary PostgreSQL server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.embedded.postgres import (
    APPLICATION_ROLE,
    DATABASE,
    REPLICATION_ROLE,
    PostgresServer,
    PostgresSite,
)


class Primary(PostgresServer):
    """The server that takes every write."""

    def __init__(self, site: PostgresSite, *, port: int) -> None:
        super().__init__("primary", site, port=port)

    def prepare(self) -> None:
        """Create the database cluster if there is none, and write its configuration."""
        self.end_leftover()
        if not self.directory.exists():
            self._create()
        self._configure(self.directory, {})

    def mend(self, said: Sequence[str]) -> str | None:
        """Say what is to be done: these files are all that there is, and nobody else's to touch."""
        if not self.is_damaged(said):
            return None
        return (
            f"The primary's files in {self.directory} are damaged, or another version's. They are"
            " left as they are. Put a backup in their place, promote a copy of the replica, or move"
            " them away to start empty."
        )

    def _create(self) -> None:
        """Build a cluster that appears complete or not at all."""
        partial = self._new_directory()
        self._initialise(partial)
        self._configure(partial, {})
        self._create_database(partial)
        partial.rename(self.directory)

    def _initialise(self, directory: Path) -> None:
        password = self._account.write_private(
            self._home / "superuser.partial", self._site.passwords.superuser
        )
        self._run_program(
            "initdb",
            f"--pgdata={directory}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            *self._haste,
            timeout=120,
        )
        password.unlink()

    def _create_database(self, directory: Path) -> None:
        """Make roles and the database, without a network in between."""
        passwords = self._site.passwords
        statements = (
            f"CREATE ROLE {REPLICATION_ROLE} LOGIN REPLICATION PASSWORD '{passwords.replication}'",
            f"CREATE ROLE {APPLICATION_ROLE} LOGIN CREATEDB PASSWORD '{passwords.application}'",
            f"CREATE DATABASE {DATABASE} OWNER {APPLICATION_ROLE}",
        )
        self._run_program(
            *("postgres", "--single", "-D", directory, "-c", "exit_on_error=on", "postgres"),
            stdin="".join(f"{statement};\n" for statement in statements),
            timeout=60,
        )
