"""One child process of a supervisor: started, listened to, started again, stopped."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.up.prefixed_output import PrefixedOutput

LONGEST_LINE = 65_536  # bytes; a longer one is shown in pieces
LAST_LINES = 20
STEADY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A program to keep running.

    Attributes:
        env: Its whole environment.
        user: The uid to run as; None for our own.
        pass_fds: Descriptors that it inherits.
        grace: Seconds between the stop signal and SIGKILL.
        prepare: Called in a thread before every start; what it raises counts as a crash.
        mend: Called in a thread after every crash, with the lines that were printed last; what it
            returns is shown.
        chatter: Lines to keep for an error report, but not to show.
        serves: Whether others work with it, so that it is stopped after them.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path | None = None
    user: int | None = None
    group: int | None = None
    pass_fds: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    prepare: Callable[[], None] = lambda: None
    mend: Callable[[Sequence[str]], str | None] = lambda _: None
    chatter: re.Pattern[str] | None = None
    serves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before a crashed child is started again, in seconds.

    Attributes:
        settled_after: A child that ran this long begins anew with the first delay.
    """

    first: float = 0.1
    longest: float = 10.0
    settled_after: float = 10.0

    def delay(self, crashes: int) -> float:
        """The delay after this many crashes in a row."""
        return min(self.longest, self.first * 2.0 ** min(crashes - 1, 16))


class RunningChild:
    """A child and the task that keeps it running until `stop()`."""

    def __init__(
        self,
        child: Child,
        output: PrefixedOutput,
        backoff: Backoff,
        on_crash: Callable[[RunningChild, str], None],
    ) -> None:
        self.child = child
        self.crashes = 0
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._output = output
        self._backoff = backoff
        self._on_crash = on_crash
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._replaced = False
        self._started_at = 0.0
        self._task = asyncio.create_task(self._keep_running())

    @property
    def pid(self) -> int | None:
        """Its process now, if it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def is_steady(self) -> bool:
        """Whether it runs and, if it crashed before, has done so for a second."""
        ran_for = asyncio.get_running_loop().time() - self._started_at
        return self.pid is not None and (self.crashes == 0 or ran_for > STEADY_SECONDS)

    def replace(self) -> None:
        """Stop the process and start another at once; this is no crash."""
        if self.pid is not None:
            self._replaced = True
            self._signal(self.child.stop_signal)

    def kill(self) -> None:
        """SIGKILL the process and those that it started."""
        if (pid := self.pid) is not None:
            kill_group(pid)

    async def stop(self) -> None:
        """Stop the process for good; SIGKILL it when its grace period was not enough."""
        self._stopping.set()
        self._signal(self.child.stop_signal)
        await asyncio.wait({self._task}, timeout=self.child.grace)
        self.kill()
        await self._task

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep_running(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            self._started_at = clock()
            ending = await self._run_once()
            if self._stopping.is_set():
                return
            if self._replaced:
                self._replaced = False
                continue
            settled = clock() - self._started_at >= self._backoff.settled_after
            await self._recover(ending, crashes=1 if settled else self.crashes + 1)

    async def _recover(self, ending: str, crashes: int) -> None:
        self.crashes = crashes
        delay = self._backoff.delay(crashes)
        self._output.line(self.child.name, f"{ending}; starting it again in {delay:g} s")
        if advice := await asyncio.to_thread(self._mend):
            self.last_lines.append(advice)
            self._output.line(self.child.name, advice)
        self._on_crash(self, ending)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay)

    def _mend(self) -> str | None:
        try:
            return self.child.mend(list(self.last_lines))
        except OSError as error:
            return f"could not be mended: {error}"

    async def _run_once(self) -> str:
        """Start the process and say how it ended."""
        self.last_lines.clear()
        try:
            await asyncio.to_thread(self.child.prepare)
            if self._stopping.is_set():
                return "stopped"
            reading, writing = os.pipe()
            listening = asyncio.create_task(self._listen(reading))
            try:
                self._process = await self._spawn(writing)
            finally:
                os.close(writing)
        except Exception as error:  # noqa: BLE001 (whatever it is, the child does not run)
            self.last_lines.append(str(error))
            return f"could not be started: {error}"
        if self._stopping.is_set():  # asked to stop while it was starting
            self._signal(self.child.stop_signal)
        code = await self._process.wait()
        kill_group(self._process.pid)
        await asyncio.wait({listening}, timeout=1.0)
        listening.cancel()
        return _ending(code)

    async def _spawn(self, output: int) -> asyncio.subprocess.Process:
        child = self.child
        return await asyncio.create_subprocess_exec(
            *child.argv,
            env=child.env,
            cwd=child.cwd,
            user=child.user,
            group=child.group,
            extra_groups=None if child.user is None else [],
            pass_fds=child.pass_fds,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us: we stop children one after the other
        )

    async def _listen(self, descriptor: int) -> None:
        """Pass on lines until nobody can write any more, which may be after the process ended."""
        reader = asyncio.StreamReader()
        with os.fdopen(descriptor, "rb") as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                rest = b""
                while received := await reader.read(LONGEST_LINE):
                    *lines, rest = (rest + received).split(b"\n")
                    if len(rest) > LONGEST_LINE:
                        lines, rest = [*lines, rest], b""
                    for line in lines:
                        self._show(line)
                if rest:
                    self._show(rest)
            finally:
                transport.close()

    def _show(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        self.last_lines.append(line)
        if self.child.chatter is None or not self.child.chatter.search(line):
            self._output.line(self.child.name, line)


def kill_group(pid: int) -> None:
    """SIGKILL all that a child started and left in its process group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"exited with code {code}"
