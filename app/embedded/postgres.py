"""What the primary and the replica have in common: one PostgreSQL server each."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.embedded.account import Account, Launch, run_to_end
from app.embedded.passwords import Passwords
from app.embedded.processes import command_line, is_alive, read_pid
from app.embedded.server import Server

DATABASE = "tocsin"
APPLICATION_ROLE = "tocsin"
REPLICATION_ROLE = "replicator"

# For a small machine that other programs use too.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "wal_keep_size": "64MB",
    "max_slot_wal_keep_size": "2GB",  # a dead replica must not fill the disk; it is built anew
    "hot_standby": "on",
    "hot_standby_feedback": "on",
    "wal_retrieve_retry_interval": "500ms",  # follow a restarted primary at once, not in 5 s
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # else it quotes the rows that it refuses
    "log_line_prefix": "%m [%p] ",
}

# Only a crash of the machine can tell the difference, and test data does not outlive one.
# synchronous_commit stays on: without it a killed server forgets what it confirmed.
FORGETFUL = {"fsync": "off", "full_page_writes": "off"}

_DAMAGED = re.compile(
    "database files are incompatible|could not find the database system|could not read file|"
    "is not a valid data directory|valid checkpoint record|could not access status of transaction|"
    "could not open file|incorrect checksum|invalid page|invalid magic number",
    re.IGNORECASE,
)
_SURROUNDINGS = re.compile("No space left|Too many open files|Permission denied|already in use")

ACCESS = """\
host replication replicator 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSite:
    """What the PostgreSQL servers of one data directory share."""

    home: Path
    account: Account
    programs: Path
    passwords: Passwords
    durable: bool


class PostgresServer(Server):
    """A PostgreSQL server in `<home>/<name>`, listening on 127.0.0.1 only."""

    # PostgreSQL takes LOG for more severe than WARNING, and a clean stop of a replica for FATAL.
    # Our processes ask a server that starts or stops until it answers, which it tells as FATAL too.
    chatter = re.compile(
        r" LOG:  | FATAL:  (terminating walreceiver process due to admin|the database system is )"
    )
    stop_signal = signal.SIGINT  # fast shutdown: SIGTERM would wait for clients to leave

    def __init__(self, name: str, site: PostgresSite, *, port: int) -> None:
        super().__init__(name, home=site.home, account=site.account, port=port)
        self.directory = site.home / name
        self.pid_file = self.directory / "postmaster.pid"
        self._site = site

    @property
    def url(self) -> str:
        """Where the application's database is, with the password in it."""
        password = self._site.passwords.application
        return f"postgresql://{APPLICATION_ROLE}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def mark(self) -> str:
        """The data directory, as given on the command line."""
        return str(self.directory)

    def launch(self) -> Launch:
        """How to run the server in the foreground."""
        program = self._site.programs / "postgres"
        return self._account.launch([program, "-D", self.directory], cwd=self._home)

    def is_ready(self) -> bool:
        """Whether the server says in its pid file that it accepts connections.

        The file is read once: that of a killed server says "ready", too, until the next one
        replaces it, which may happen between two reads.
        """
        try:
            lines = self.pid_file.read_text().splitlines()
            return lines[7].strip() == "ready" and self.mark in command_line(int(lines[0]))
        except (OSError, IndexError, ValueError):
            return False

    def end_leftover(self) -> None:
        """Stop this server if an earlier run left it behind, or drop a misleading pid file.

        PostgreSQL refuses to start while the pid in the file exists, even if that number is
        another program's by now.
        """
        super().end_leftover()
        pid = read_pid(self.pid_file)
        if pid is not None and self.pid is None and is_alive(pid):
            self.pid_file.unlink()

    def is_damaged(self, said: Sequence[str]) -> bool:
        """Whether what the server said last tells of broken files, and of nothing around them."""
        text = "\n".join(said)
        return bool(_DAMAGED.search(text)) and not _SURROUNDINGS.search(text)

    @property
    def _haste(self) -> tuple[str, ...]:
        """Arguments of the programs that make a directory: whether to wait for the disk."""
        return () if self._site.durable else ("--no-sync",)

    def _run_program(self, *argv: str | Path, stdin: str = "", timeout: float, **env: str) -> str:
        name, *arguments = argv
        launch = self._account.launch(
            [self._site.programs / name, *arguments], cwd=self._home, **env
        )
        return run_to_end(launch, stdin=stdin, timeout=timeout)

    def _new_directory(self) -> Path:
        """An empty directory to build a server in, beside its final place."""
        partial = self._home / f"{self.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        return self._account.own(partial, 0o700)

    def _configure(self, directory: Path, extra: dict[str, str]) -> None:
        settings = SETTINGS | {"port": str(self.port)} | extra
        if not self._site.durable:
            settings |= FORGETFUL
        lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
        self._write(directory / "postgresql.conf", "".join(lines))
        self._write(directory / "pg_hba.conf", ACCESS)

    def _write(self, path: Path, text: str) -> None:
        """Write a file of the server's; unchanged ones stay as they are."""
        if path.exists() and path.read_text() == text:
            return
        self._account.write_private(path, text)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
