"""The streaming replica of the primary."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence

from app.embedded.errors import EmbeddedServerError
from app.embedded.postgres import REPLICATION_ROLE, PostgresServer, PostgresSite
from app.embedded.primary import Primary

SLOT = "tocsin_replica"


class Replica(PostgresServer):
    """A read-only copy that follows the primary through a replication slot."""

    def __init__(self, site: PostgresSite, *, port: int, primary: Primary) -> None:
        super().__init__("replica", site, port=port)
        self._primary = primary
        self._discarded = False

    def prepare(self) -> None:
        """Copy the primary if there is no copy that can follow it; point it at the primary.

        The first time, and to build a copy anew, the primary must run.
        """
        self.end_leftover()
        if self._discarded or not self.directory.exists() or not self._can_follow():
            self._build()
            self._discarded = False
        self._configure(self.directory, self._following())

    def discard(self) -> None:
        """Have the next `prepare()` copy the primary anew, since this copy does not follow it."""
        self._discarded = True

    def mend(self, said: Sequence[str]) -> str | None:
        """Copy the primary anew in place of a damaged copy."""
        if not self.is_damaged(said):
            return None
        self.discard()
        return "The replica's files are damaged: it is copied anew from the primary."

    def is_following(self) -> bool:
        """Whether the primary sends its changes to this replica now. False if unknown."""
        return self._ask_primary(f"{_OF_SLOT} AND active") != ""

    def _can_follow(self) -> bool:
        """Whether the primary keeps what this copy needs; a primary that is down may have it."""
        if not self._primary.is_ready():
            return True
        return self._ask_primary(f"{_OF_SLOT} AND wal_status IS DISTINCT FROM 'lost'") != ""

    def _build(self) -> None:
        """Copy the primary into a directory that appears complete or not at all."""
        if not self._primary.is_ready():
            raise EmbeddedServerError("The replica is a copy of the primary: start that first.")
        shutil.rmtree(self.directory, ignore_errors=True)
        self._drop_slot()
        partial = self._new_directory()
        self._run_program(
            "pg_basebackup",
            f"--pgdata={partial}",
            f"--dbname={self._connection('tocsin_replica_copy')}",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--create-slot",
            f"--slot={SLOT}",
            *self._haste,
            timeout=3600,
        )
        self._write(partial / "standby.signal", "")
        partial.rename(self.directory)

    def _drop_slot(self, timeout: float = 10.0) -> None:
        """Drop the slot, as soon as the primary noticed that its last user is gone."""
        deadline = time.monotonic() + timeout
        while self._ask_primary(f"{_OF_SLOT} AND active") != "":
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"Another replica uses the slot {SLOT}: stop it first.")
            time.sleep(0.05)
        self._ask_primary(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            f" WHERE slot_name = '{SLOT}'"
        )

    def _following(self) -> dict[str, str]:
        return {"primary_conninfo": self._connection(SLOT), "primary_slot_name": SLOT}

    def _connection(self, application: str) -> str:
        """How to reach the primary for replication, without the password in it."""
        password_file = self._home / "replication.pgpass"
        password = self._site.passwords.replication
        self._write(password_file, f"127.0.0.1:*:*:{REPLICATION_ROLE}:{password}\n")
        return (
            f"host=127.0.0.1 port={self._primary.port} user={REPLICATION_ROLE}"
            f" passfile={password_file} application_name={application}"
        )

    def _ask_primary(self, statement: str) -> str:
        """The bare answer to a statement on the primary; empty if there are no rows."""
        connection = f"{self._connection('tocsin_replica_check')} dbname=postgres connect_timeout=5"
        return self._run_program(
            *("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", connection, "-c", statement),
            timeout=30,
        ).strip()


_OF_SLOT = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
