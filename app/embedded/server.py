"""What every embedded server can do: get ready to start, start, be waited for, stop, be killed."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import structlog

from app.embedded.account import Account, Launch
from app.embedded.errors import EmbeddedServerError
from app.embedded.processes import command_line, end, read_pid

log = structlog.get_logger()
# A server killed a moment ago may leave processes that hold its memory for some milliseconds.
ATTEMPTS = 5


class Server(ABC):
    """One server of a data directory, whoever started its process.

    A supervisor calls `prepare()`, runs `launch()` in the foreground, and waits with
    `wait_ready()`. Tests use `start()`, `stop()`, `kill()` and `restart()` instead.

    Attributes:
        stop_signal: What ends it cleanly.
        chatter: Lines of its output that are no news to an operator.
        pid_file: Where it writes its process id.
    """

    stop_signal: signal.Signals
    chatter: re.Pattern[str]
    pid_file: Path

    def __init__(self, name: str, *, home: Path, account: Account, port: int) -> None:
        self.name = name
        self.port = port
        self._home = home
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Create or repair what the server needs; to be called before every start.

        Ends a process that an earlier, killed run left behind. Does nothing twice.
        """

    @abstractmethod
    def launch(self) -> Launch:
        """How to run the server in the foreground."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server accepts connections."""

    @property
    @abstractmethod
    def mark(self) -> str:
        """An argument on the server's command line that no other server has."""

    @property
    def pid(self) -> int | None:
        """The process that serves this data directory now, if any."""
        pid = read_pid(self.pid_file)
        return pid if pid is not None and self.mark in command_line(pid) else None

    def mend(self, said: Sequence[str]) -> str | None:
        """Mend what kept the server from starting, as far as that can be done.

        Args:
            said: The last lines of a process that ended by itself.

        Returns:
            What was done, or is left for the operator to do; None where nothing is known.
        """
        return None

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until the server accepts connections, for at most `timeout` seconds.

        Raises:
            EmbeddedServerError: When it does not.
        """
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise EmbeddedServerError(f"{self.name} was not ready within {timeout:g} s.")
            time.sleep(0.01)

    def end_leftover(self) -> None:
        """Stop this server if an earlier run left it behind."""
        if (pid := self.pid) is not None:
            end(pid, self.stop_signal, grace=10.0)

    def start(self, timeout: float = 30.0, *, attempts: int = ATTEMPTS) -> None:
        """Start the server and return when it is ready, for at most `timeout` seconds an attempt.

        What the server prints goes to `<name>.log` beside its files.

        Raises:
            EmbeddedServerError: With the end of that log, when the server does not become ready.
        """
        for attempt in range(attempts):
            time.sleep(0.1 * attempt)
            self.prepare()
            if self._run(timeout):
                return
            if attempt < attempts - 1 and (advice := self.mend(self._last_lines())):
                log.warning("server.does_not_start", server=self.name, advice=advice)
        said = self._last_lines()
        advice = self.mend(said) or ""
        raise EmbeddedServerError("\n".join([f"{self.name} does not start:", *said, advice]))

    def stop(self, grace: float = 10.0) -> None:
        """Stop the server cleanly; SIGKILL it when `grace` seconds were not enough."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL the server, as a crash would, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10.0)
        elif (pid := self.pid) is not None:
            end(pid, signal.SIGKILL, grace=10.0)

    def restart(self, timeout: float = 30.0) -> None:
        """Stop the server if it runs, and start it again on the same port."""
        self.stop()
        self.start(timeout)

    def _run(self, timeout: float) -> bool:
        """Start the process; tell whether it became ready (False: it exited)."""
        launch = self.launch()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 (our own programs)
                launch.argv,
                env=launch.env,
                cwd=launch.cwd,
                user=launch.user,
                group=launch.group,
                extra_groups=launch.extra_groups,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever started us, not for the server
            )
        deadline = time.monotonic() + timeout
        while self._process.poll() is None:
            if self.is_ready():
                return True
            if time.monotonic() > deadline:
                self.kill()
                break
            time.sleep(0.01)
        self._process = None
        return False

    @property
    def _log(self) -> Path:
        return self._home / f"{self.name}.log"

    def _last_lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()[-15:]
