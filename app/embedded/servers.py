"""All embedded servers of one data directory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from app.embedded.account import choose_account
from app.embedded.home import open_home, servers_in
from app.embedded.lock import DirectoryLock
from app.embedded.passwords import open_passwords
from app.embedded.ports import Ports, free_port
from app.embedded.postgres import PostgresSite
from app.embedded.primary import Primary
from app.embedded.programs import find_programs
from app.embedded.replica import Replica
from app.embedded.server import Server
from app.embedded.valkey import Valkey

ANY_PORTS = Ports()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrls:
    """Where the servers are; the Redis URL names no database."""

    primary: str
    replicas: tuple[str, ...]
    redis: str


class EmbeddedServers:
    """A primary PostgreSQL, its streaming replica and a Valkey, on 127.0.0.1.

    Either `start()` and `stop()` them; or hold a `DirectoryLock` on the data directory and
    supervise those that you need: the replica starts after the primary is ready.

    Args:
        data_dir: Where they keep, or link to, their files; created if it is new.
        durable: False only for tests. A crash of the machine may then break the data; a crash
            of a server still does not.

    Raises:
        EmbeddedServerError: When the machine or the directory does not allow it.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, ports: Ports = ANY_PORTS) -> None:
        self._data_dir = data_dir
        self._lock: DirectoryLock | None = None
        account = choose_account(servers_in(data_dir))
        self._home = open_home(data_dir, account)
        programs = find_programs(account)
        passwords = open_passwords(self._home)
        site = PostgresSite(
            home=self._home,
            account=account,
            programs=programs.postgres,
            passwords=passwords,
            durable=durable,
        )
        self.primary = Primary(site, port=ports.primary or free_port())
        self.replica = Replica(site, port=ports.replica or free_port(), primary=self.primary)
        self.valkey = Valkey(
            home=self._home,
            account=account,
            program=programs.valkey,
            password=passwords.valkey,
            port=ports.valkey or free_port(),
            durable=durable,
        )

    @property
    def servers(self) -> tuple[Server, ...]:
        """All of them, in the order to start them in."""
        return (self.valkey, self.primary, self.replica)

    @property
    def urls(self) -> ServerUrls:
        """Where they are, passwords included."""
        return ServerUrls(
            primary=self.primary.url, replicas=(self.replica.url,), redis=self.valkey.url
        )

    def start(self) -> Self:
        """Start all of them; return when they are ready.

        Raises:
            DirectoryInUseError: When another process runs on the data directory.
            EmbeddedServerError: When a server does not start; those that did are stopped.
        """
        self._lock = DirectoryLock(self._data_dir)
        try:
            for server in self.servers:
                server.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop those that run, last started first."""
        for server in reversed(self.servers):
            server.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Delete the stopped servers' files, wherever they are."""
        shutil.rmtree(self._home)
        servers_in(self._data_dir).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
