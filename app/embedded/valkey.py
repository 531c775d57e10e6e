"""The Valkey server, which speaks Redis."""

from __future__ import annotations

import re
import shutil
import signal
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.embedded.account import Account, Launch
from app.embedded.server import Server

KEPT_ASIDE = 2
MOST_MEMORY = "256mb"
_DAMAGED = re.compile(
    "AOF MANIFEST FILE ERROR|Bad file format reading the append only|Unable to obtain the AOF file|"
    "[Ee]rror reading the append only|[Uu]nexpected end of file reading the append only|"
    "Internal error in RDB reading|Wrong RDB checksum|"
    # It crashed before it was ready: it does nothing else by then than load these files.
    "VALKEY BUG REPORT END"
)


class Valkey(Server):
    """A Valkey in `<home>/valkey`, append-only, on 127.0.0.1 and behind a password."""

    chatter = re.compile(r"Memory overcommit|Received SIGTERM|ready to exit|^$")
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        *,
        home: Path,
        account: Account,
        program: Path,
        password: str,
        port: int,
        durable: bool,
    ) -> None:
        super().__init__("valkey", home=home, account=account, port=port)
        self.directory = home / self.name
        self.pid_file = self.directory / "valkey.pid"
        self._appended = self.directory / "appendonlydir"
        self._configuration = self.directory / "valkey.conf"
        self._program = program
        self._password = password
        self._durable = durable

    @property
    def url(self) -> str:
        """Where the server is, with the password in it and without a database number."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}"

    @property
    def mark(self) -> str:
        """The configuration file, as given on the command line."""
        return str(self._configuration)

    def prepare(self) -> None:
        """Create the directory if there is none, and write the configuration."""
        self.end_leftover()
        if not self.directory.exists():
            self.directory.mkdir()
            self._account.own(self.directory, 0o700)
        lines = (f'{name} "{value}"\n' for name, value in self._settings().items())
        self._account.write_private(self._configuration, "".join(lines))

    def mend(self, said: Sequence[str]) -> str | None:
        """Set damaged files aside and start empty: nothing is in them that is not in Postgres."""
        text = "\n".join(said)
        if not _DAMAGED.search(text) or "No space left" in text:
            return None
        if not self._appended.exists():
            return None
        aside = self._appended.with_name(f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
        self._appended.rename(aside)
        for older in sorted(self.directory.glob("damaged-*"))[:-KEPT_ASIDE]:
            shutil.rmtree(older, ignore_errors=True)
        return f"Valkey's append-only file is damaged: it is set aside as {aside}, to start empty."

    def launch(self) -> Launch:
        """How to run the server in the foreground."""
        return self._account.launch([self._program, self._configuration], cwd=self._home)

    def is_ready(self) -> bool:
        """Whether the server answers a ping, which it refuses while it loads its data."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode())
                answer = connection.makefile("rb").read()
        except OSError:
            return False
        return b"+PONG" in answer and self.pid is not None

    def _settings(self) -> dict[str, str]:
        return {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self._password,
            "dir": str(self.directory),
            "pidfile": str(self.pid_file),
            "daemonize": "no",
            "set-proc-title": "no",  # the title would hide the arguments that identify us
            "appendonly": "yes",
            "appendfsync": "everysec" if self._durable else "no",
            "save": "",
            "maxmemory": MOST_MEMORY,
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
        }
