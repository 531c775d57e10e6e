"""The primary PostgreSQL server."""

from pathlib import Path

from storage.embedded.postgres import (
    APPLICATION_ROLE,
    DATABASE,
    REPLICATION_ROLE,
    PostgresServer,
)


class Primary(PostgresServer):
    """The server that takes every write."""

    def prepare(self) -> None:
        """Create the database cluster if there is none, and write its configuration."""
        self.end_leftover()
        if not self.directory.exists():
            self._create()
        self._configure(self.directory, {})

    def _create(self) -> None:
        """Build a cluster that appears complete or not at all."""
        partial = self._new_directory()
        self._initialise(partial)
        self._configure(partial, {})
        self._create_database(partial)
        partial.rename(self.directory)

    def _initialise(self, directory: Path) -> None:
        password = self._account.write_private(
            self._home / "superuser.partial", self._passwords.superuser
        )
        self._run_program(
            "initdb",
            f"--pgdata={directory}",
            "--username=postgres",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            timeout=120,
        )
        password.unlink()

    def _create_database(self, directory: Path) -> None:
        """Make roles and the database, without a network in between."""
        statements = (
            f"CREATE ROLE {REPLICATION_ROLE} LOGIN REPLICATION"
            f" PASSWORD '{self._passwords.replication}'",
            f"CREATE ROLE {APPLICATION_ROLE} LOGIN CREATEDB"
            f" PASSWORD '{self._passwords.application}'",
            f"CREATE DATABASE {DATABASE} OWNER {APPLICATION_ROLE}",
        )
        self._run_program(
            *("postgres", "--single", "-D", directory, "-c", "exit_on_error=on", "postgres"),
            stdin="".join(f"{statement};\n" for statement in statements),
            timeout=60,
        )
