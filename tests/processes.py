"""Tocsin's own processes, run as an operator runs them and killed as fate kills them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from app.embedded.ports import free_port
from app.up.supervised import Lifeline
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from storage.postgres.pools import Database
from storage.schema.migrate import is_migrated
from storage.shards import Shards
from storage.urls import ShardUrls, redis_database

Held = TypeVar("Held")
CHECKOUT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
ENCRYPTION_KEYS = "test:" + "QUJD" * 10 + "QUI="
STREAMS_DATABASE = 9
"""Of the Redis, with the streams that targets may add to."""
STOP_SECONDS = 30.0
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.1
"""Who asks the API more often takes the processor from what is waited for."""
TOLD_CHARACTERS = 4_000
NO_TLS = False
"""As `verify` of httpx, which takes 30 ms to read the world's certificates for each client."""
# Processes end with the tests that started them, even if the tests are killed.
LIFELINE = Lifeline()


def wait_until(condition: Callable[[], Held], *, seconds: float = 20.0, what: str = "") -> Held:
    """Return what the condition says when it holds; fail when the time is up.

    Whoever asks the API again may be told what was before: its service waits for no dispatcher's or
    worker's writes, and not every server that is asked has them at once.
    """
    deadline = time.monotonic() + seconds
    pause = SHORTEST_PAUSE_SECONDS
    while not (held := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        time.sleep(pause)
        pause = min(pause * 1.3, LONGEST_PAUSE_SECONDS)
    return held


class TocsinProcess:
    """One `tocsin NAME`, with its output in a file."""

    def __init__(
        self, name: str, environment: Mapping[str, str], log: Path, checkout: Path = CHECKOUT
    ) -> None:
        self.name = name
        self.log = log
        self._checkout = checkout
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and return at once."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *self.name.split()],
                env={**os.environ, **self._environment, **LIFELINE.environment},
                pass_fds=(LIFELINE.fileno(),),
                cwd=self._checkout,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self

    def says(self, event: str) -> Self:
        """Wait until its log names an event."""
        wait_until(lambda: event in self.text, seconds=START_SECONDS, what=f"{self.name}: {event}")
        return self

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.log.read_text()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status, if it has ended."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """SIGKILL it and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM it and return its exit status."""
        return self._end(signal.SIGTERM, seconds)

    def _end(self, number: signal.Signals, seconds: float = STOP_SECONDS) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            told = f"{self.name} did not end within {seconds:g} s; the end of its log:"
            raise AssertionError(f"{told}\n{self.text[-TOLD_CHARACTERS:]}") from None


class System:
    """Tocsin's processes on given servers, as many of each kind as a test wants.

    Args:
        folder: For what they print.
        checkout: With the code that they run.
    """

    def __init__(self, urls: ShardUrls, folder: Path, checkout: Path = CHECKOUT) -> None:
        self.urls = urls
        self._folder = folder
        self._checkout = checkout
        self._started: list[TocsinProcess] = []
        self.port = free_port()
        self.environment = {
            "TOCSIN_PRIMARY_URL": urls.primary,
            "TOCSIN_POOLER_URL": urls.pooler or "",
            "TOCSIN_REPLICA_URLS": ",".join(urls.replicas),
            "TOCSIN_REDIS_URL": urls.redis,
            "TOCSIN_PORT": str(self.port),
            "TOCSIN_EGRESS_ALLOW": "127.0.0.0/8",
            "TOCSIN_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
            "TOCSIN_REDIS_STREAMS": f"test={redis_database(urls.redis, STREAMS_DATABASE)}#test:*",
        }

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.port}"

    def migrate(self) -> None:
        """Bring the database to the newest schema, if it is not there."""
        if not asyncio.run(self._is_migrated()):
            self.run("migrate")

    async def _is_migrated(self) -> bool:
        database = Database(self.urls.primary)
        try:
            return await is_migrated(database)
        finally:
            await database.close()

    def start(self, *names: str) -> None:
        """Start `api`, `dispatcher`, `worker`, `clock`, all at once, and wait until they work."""
        begun = [self._begin(name) for name in names]
        for process in begun:
            if process.name == "api":
                what = f"API ready, see {process.log}"
                wait_until(self._is_ready, seconds=START_SECONDS, what=what)
            else:
                process.says(f"{process.name}.started")

    def complete(self, *names: str) -> None:
        """Start those of the processes that are missing."""
        alive = [process.name for process in self._started if process.is_alive]
        missing = []
        for name in names:
            if name in alive:
                alive.remove(name)
            else:
                missing.append(name)
        self.start(*missing)

    def _begin(self, name: str) -> TocsinProcess:
        log = self._folder / f"{name}-{len(self._started)}.log"
        process = TocsinProcess(name, self.environment, log, self._checkout).start()
        self._started.append(process)
        return process

    def every(self, name: str) -> list[TocsinProcess]:
        """The processes of that name that run, oldest first."""
        return [process for process in self._started if process.name == name and process.is_alive]

    def newest(self, name: str) -> TocsinProcess:
        """The process of that name that was started last."""
        return self.every(name)[-1]

    def client(self, service: str) -> httpx.Client:
        """An HTTP client that calls as a service, made if it is new."""
        key = asyncio.run(self._new_key(service))
        return httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"},
            timeout=15.0,
            verify=NO_TLS,
        )

    async def _new_key(self, service: str) -> str:
        shards = Shards(self.urls)
        key = await bootstrap_key(BootstrapKey(service_name=service, now=datetime.now(UTC)), shards)
        await shards.close()
        return key

    def run(self, *arguments: str) -> str:
        """Run a `tocsin` command to its end, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env={**os.environ, **self.environment},
            cwd=self._checkout,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", verify=NO_TLS).status_code == 200
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._started:
            process.kill()


def runs_of(client: httpx.Client, job_id: str) -> list[dict[str, object]]:
    """A job's runs, newest first."""
    answer = client.get(f"/jobs/{job_id}/runs", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content)["items"]
