"""All embedded servers of one data directory."""

from pathlib import Path

from storage.embedded.account import choose_account
from storage.embedded.home import open_home, servers_in
from storage.embedded.lock import DirectoryLock
from storage.embedded.passwords import open_passwords
from storage.embedded.ports import Ports, free_port
from storage.embedded.primary import Primary
from storage.embedded.programs import find_programs
from storage.embedded.replica import Replica
from storage.embedded.server import Server
from storage.embedded.valkey import Valkey


class EmbeddedServers:
    """A primary PostgreSQL, its streaming replica and a Valkey, on 127.0.0.1.

    To supervise them, hold a `DirectoryLock` on the data directory and treat `servers` in
    their order. Otherwise `start()` and `stop()` do all that.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        postgres: bool = True,
        valkey: bool = True,
        ports: Ports = Ports(),
    ) -> None:
        """Find the programs and create the folder of the servers' files; starts nothing.

        `durable=False` is for tests: a crash of the machine may then lose or break data, a
        crash of a server still does not. Without `postgres` or `valkey`, that one is left out.
        Raises EmbeddedServerError when the machine or the directory does not allow it.
        """
        self._data_dir = data_dir
        self._lock: DirectoryLock | None = None
        self._account = choose_account(servers_in(data_dir))
        self._home = open_home(data_dir, self._account)
        self._passwords = open_passwords(self._home)
        self._programs = find_programs(self._account)
        self._durable = durable
        self.primary = self._make_primary(ports)
        self.replica = self._make_replica(ports)
        self.valkey = self._make_valkey(ports)
        self._postgres: tuple[Primary, Replica] | tuple[()] = ()
        if postgres:
            self._postgres = (self.primary, self.replica)
