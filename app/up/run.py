"""`tocsin up`: all of Tocsin on this machine, in one supervised tree of processes."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import ExitStack, closing

from app.embedded.errors import EmbeddedServerError
from app.embedded.lock import DirectoryLock
from app.observability.logs import TERMINAL
from app.settings import Settings
from app.up import demo
from app.up.child import Backoff
from app.up.embedded import Patience, keep_following
from app.up.kept_encryption_keys import FILE
from app.up.listening import listen
from app.up.prefixed_output import PrefixedOutput
from app.up.stack import DEMO, OPERATOR, Parts, Stack
from app.up.supervised import Lifeline
from app.up.supervisor import ChildFailedError, Supervisor

TOCSIN = (sys.executable, "-m", "app.cli")
READY_SECONDS = 60.0


class CannotStartError(Exception):
    """Something stands in the way of a start; says what to do about it."""


EXPECTED = (CannotStartError, ChildFailedError, EmbeddedServerError)


async def up(settings: Settings, *, command: tuple[str, ...] = TOCSIN) -> int:
    """Start everything, keep it running until SIGINT or SIGTERM, stop it; return the exit status.

    Args:
        settings: What to start, and where.
        command: How to run `tocsin`; the words of a part are appended.
    """
    output = PrefixedOutput(sys.stdout)
    try:
        with (
            closing(DirectoryLock(settings.data_dir)) as lock,
            closing(Lifeline()) as lifeline,
            ExitStack() as listening,
        ):
            sockets = _listen(settings)
            for one in sockets:
                listening.enter_context(one)
            parts = Parts(
                command=command,
                env={**os.environ, **lifeline.environment, **_terminal()},
                lifeline=lifeline.fileno(),
                lock=lock.fileno(),
                listening=tuple(one.fileno() for one in sockets),
            )
            await _Run(settings, parts, output).until_stopped()
    except (*EXPECTED, ExceptionGroup) as error:
        output.say(f"tocsin up: {_expected(error)}")
        return 1
    return 0


class _Run:
    """One life of `tocsin up`."""

    def __init__(self, settings: Settings, parts: Parts, output: PrefixedOutput) -> None:
        self._output = output
        self._supervisor = Supervisor(output, backoff=Backoff())
        self._stack = Stack(settings, self._supervisor, parts)
        self._data_dir = settings.data_dir
        self._stop_asked = asyncio.Event()

    async def until_stopped(self) -> None:
        """Start, wait for a signal, stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop)
        try:
            await self._unless_stopped(self._start())
            self._supervisor.settle()
            await self._unless_stopped(self._keep())
        finally:
            self._output.say("Stopping …")
            await self._supervisor.stop()

    def _ask_to_stop(self) -> None:
        """Stop in good order; asked a second time, at once."""
        if self._stop_asked.is_set():
            self._supervisor.kill()
        self._stop_asked.set()

    async def _unless_stopped(self, work: Coroutine[object, object, None]) -> None:
        """Do some work until it is done, we are to stop, or a child cannot be started."""
        working = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stop_asked.wait())
        failed = asyncio.create_task(self._supervisor.failure())
        tasks = (working, stopped, failed)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                raise failed.result()
            if not stopped.done():
                await working
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                key = await self._stack.start()
        except TimeoutError:
            raise CannotStartError(
                f"Not ready after {READY_SECONDS:g} s; what is printed above may say why."
            ) from None
        self._announce(key)

    async def _keep(self) -> None:
        """Look after what a restart of a child would not heal."""
        servers = self._stack.servers
        if servers is not None and self._stack.embeds_postgres:
            await keep_following(servers.replica, self._supervisor, Patience())
        await asyncio.Event().wait()

    def _announce(self, key: str) -> None:
        self._output.say(
            f"\nTocsin is ready at {self._stack.url}\n"
            f"Demo key: {key} (kept in {self._data_dir / DEMO.file})\n"
            f"The operator's key is in {self._data_dir / OPERATOR.file}\n"
            f"Keep a copy of {self._data_dir / FILE}: without it, secrets are lost\n"
            f"Targets on this machine may be called ({self._stack.allowed_targets}).\n"
            f"Try it:\n\n  {demo.curl(self._stack.url, key)}\n"
        )


def _listen(settings: Settings) -> list[socket.socket]:
    host, port = settings.host, settings.port
    try:
        return listen(host, port, settings.processes_of_a_kind)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise CannotStartError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
        raise CannotStartError(
            f"Port {port} is in use: stop what listens there, or set TOCSIN_PORT to another one."
        ) from None


def _terminal() -> dict[str, str]:
    """Children print into our pipe: whether a person reads that, only we know."""
    return {TERMINAL: "1"} if sys.stdout.isatty() else {}


def _expected(error: Exception) -> Exception:
    """The failure to report: the first of those that came together, if it is one we foresaw."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, EXPECTED):
        raise error
    return error
