"""The parts of a running Tocsin, in the order in which they start."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.embedded.running import RunningServers, tell_running
from app.embedded.servers import EmbeddedServers, ServerUrls
from app.settings import Settings
from app.up import demo
from app.up.child import Child
from app.up.embedded import start_server
from app.up.kept_encryption_keys import kept_encryption_keys
from app.up.listening import VARIABLE as LISTEN_VARIABLE
from app.up.supervisor import Supervisor, run_to_end

LOOPBACK = "127.0.0.0/8,::1/128"
ONCE_SECONDS = 60.0
GRACE_SECONDS = 25.0  # API and worker take up to 20 s to finish what they began


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How to run the parts that are programs of ours.

    Attributes:
        command: How to run `tocsin`; a part's name is appended.
        env: Their environment.
        lifeline: What tells them that we are gone.
        lock: What keeps others from the data directory as long as they live.
        listening: The sockets that the API listens on, one for each of its processes.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    lifeline: int
    lock: int
    listening: tuple[int, ...]

    @property
    def pass_fds(self) -> tuple[int, ...]:
        """What a part holds as long as it lives."""
        return (self.lifeline, self.lock)

    def children(self) -> list[Child]:
        """Tocsin's own processes, which all run at once."""
        apis = [
            replace(
                self.child("api"),
                name=f"api-{number}",
                env={**self.env, LISTEN_VARIABLE: str(descriptor)},
                pass_fds=(*self.pass_fds, descriptor),
            )
            for number, descriptor in enumerate(self.listening, start=1)
        ]
        workers = [
            replace(self.child("worker"), name=f"worker-{number}")
            for number in range(1, len(self.listening) + 1)
        ]
        return [*apis, *workers, self.child("dispatcher"), self.child("clock")]

    def keeper(self, data_dir: Path) -> Child:
        """Who ends embedded servers if we cannot; it does not hold the lock: it waits for that."""
        arguments = (str(data_dir.resolve()), str(os.getpid()))
        return Child(
            name="keeper",
            argv=(sys.executable, "-m", "app.up.keeper", *arguments),
            env=self.env,
            pass_fds=(self.lifeline,),
            serves=True,
        )

    def child(self, *words: str) -> Child:
        """One part, by its words on the command line."""
        return Child(
            name=words[0],
            argv=(*self.command, *words),
            env=self.env,
            pass_fds=self.pass_fds,
            grace=GRACE_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key that is made once and kept in the data directory.

    Attributes:
        file: Its name there.
        owner: Whose it is, as `tocsin key create` is told.
        probe: An address that only such a key opens.
    """

    file: str
    owner: tuple[str, ...]
    probe: str


DEMO = KeptKey("demo-key", ("--service", "demo"), "/jobs")
OPERATOR = KeptKey("operator-key", ("--operator",), "/services")


class Stack:
    """Embedded servers where no others are set, the schema, and Tocsin's own processes."""

    def __init__(self, settings: Settings, supervisor: Supervisor, parts: Parts) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._parts = parts
        self.servers: EmbeddedServers | None = None

    @property
    def embeds_postgres(self) -> bool:
        """Whether there is no PostgreSQL but ours."""
        return self._settings.primary_url is None

    @property
    def url(self) -> str:
        """Where a client on this machine finds the API."""
        return f"http://{_bracketed(self._reachable_host)}:{self._settings.port}"

    @property
    def allowed_targets(self) -> str:
        """The networks that targets may be in beside public ones."""
        return self._parts.env["TOCSIN_EGRESS_ALLOW"]

    async def start(self) -> str:
        """Start everything; return the demo key when the API is ready.

        Raises:
            ChildFailedError: When the schema or the key cannot be made.
            EmbeddedServerError: When the machine or the data directory does not allow servers.
        """
        if self.embeds_postgres or self._settings.redis_url is None:
            self.servers = await asyncio.to_thread(EmbeddedServers, self._settings.data_dir)
            self._tell(self.servers.urls)
            self._supervisor.start(self._parts.keeper(self._settings.data_dir))
        self._parts = replace(self._parts, env=self._environment())
        _empty(Path(self._parts.env["PROMETHEUS_MULTIPROC_DIR"]))
        async with asyncio.TaskGroup() as starting:
            starting.create_task(self._start_redis())
            starting.create_task(self._start_postgres())
            starting.create_task(self._start_children())
        async with asyncio.TaskGroup() as starting:
            starting.create_task(self._wait_ready())
            demo_key = starting.create_task(self._find_key(DEMO))
            operator_key = starting.create_task(self._find_key(OPERATOR))
        await self._working(operator_key.result(), OPERATOR)
        return await self._working(demo_key.result(), DEMO)

    def _tell(self, urls: ServerUrls) -> None:
        """Have commands beside us find the servers that are ours."""
        running = RunningServers(
            primary=urls.primary if self.embeds_postgres else None,
            replicas=urls.replicas if self.embeds_postgres else (),
            redis=urls.redis if self._settings.redis_url is None else None,
        )
        tell_running(self._settings.data_dir, running)

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        primary, replicas, redis = settings.primary_url, settings.replica_urls, settings.redis_url
        if self.servers is not None:
            urls = self.servers.urls
            if primary is None:
                primary, replicas = urls.primary, urls.replicas
            redis = redis or urls.redis
        return {
            "TOCSIN_EGRESS_ALLOW": LOOPBACK,
            **self._parts.env,
            "TOCSIN_PRIMARY_URL": primary or "",
            "TOCSIN_REPLICA_URLS": ",".join(replicas),
            "TOCSIN_REDIS_URL": redis or "",
            "TOCSIN_ENCRYPTION_KEYS": ",".join(settings.encryption_keys)
            or kept_encryption_keys(settings.data_dir),
            "TOCSIN_HOST": settings.host,
            "TOCSIN_PORT": str(settings.port),
            "PROMETHEUS_MULTIPROC_DIR": str(settings.data_dir.resolve() / "metrics"),
        }

    async def _start_redis(self) -> None:
        if self.servers is not None and self._settings.redis_url is None:
            await start_server(self.servers.valkey, self._supervisor)

    async def _start_postgres(self) -> None:
        """The schema needs the primary only: the replica starts meanwhile."""
        async with asyncio.TaskGroup() as starting:
            if self.servers is not None and self.embeds_postgres:
                await start_server(self.servers.primary, self._supervisor)
                starting.create_task(start_server(self.servers.replica, self._supervisor))
            starting.create_task(run_to_end(self._parts.child("migrate"), timeout=ONCE_SECONDS))

    async def _start_children(self) -> None:
        """Our processes take longest, mostly to import: they wait for the schema themselves."""
        for child in self._parts.children():
            self._supervisor.start(child)

    async def _wait_ready(self) -> None:
        while not await self._is_ready():  # noqa: ASYNC110 (a process sends no event)
            await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        return self._supervisor.is_steady and await self._status("/health/ready") == 200

    async def _find_key(self, kept: KeptKey) -> str:
        return demo.read_key(self._settings.data_dir / kept.file) or await self._make_key(kept)

    async def _make_key(self, kept: KeptKey) -> str:
        create = self._parts.child("key", "create", *kept.owner)
        key = (await run_to_end(create, timeout=ONCE_SECONDS)).strip()
        demo.keep_key(self._settings.data_dir / kept.file, key)
        return key

    async def _working(self, key: str, kept: KeptKey) -> str:
        """The key, or a new one if this database does not know it (it may be a new database)."""
        known = await self._status(kept.probe, key=key) != 401
        return key if known else await self._make_key(kept)

    async def _status(self, path: str, *, key: str = "") -> int | None:
        host, port = self._reachable_host, self._settings.port
        return await asyncio.to_thread(demo.status_of, host, port, path, key=key)

    @property
    def _reachable_host(self) -> str:
        """An address to call for an address to listen on."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 (we do not listen here)
            self._settings.host, self._settings.host
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _empty(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
