"""`tocsin up` in a process of its own, on real servers and stand-ins for Tocsin's own parts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil

from app.settings import read_settings
from app.up.run import up
from tests.embedded.databases import eventually

CHECKOUT = Path(__file__).resolve().parents[2]
EXIT_SECONDS = 40.0


class UpProcess:
    """One `tocsin up`; `fault` names the part that fails."""

    def __init__(self, data_dir: Path, port: int, *, fault: str = "none", **env: str) -> None:
        self._log = data_dir.with_name(f"up-{os.urandom(4).hex()}.log")
        own = {"TOCSIN_DATA_DIR": str(data_dir), "TOCSIN_PORT": str(port)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.embedded.up_process", fault],
                env={**os.environ, **own, **env},
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid

    @property
    def shown(self) -> str:
        """What the terminal shows."""
        return self._log.read_text()

    @property
    def runs(self) -> bool:
        """Whether it has not exited."""
        return self._process.poll() is None

    def ready(self) -> UpProcess:
        """Wait until it says that it is ready."""
        eventually(lambda: "Tocsin is ready" in self.shown or not self.runs, "ready")
        assert "Tocsin is ready" in self.shown, self.shown
        return self

    def family(self) -> list[psutil.Process]:
        """All processes that it started and that run now."""
        return list(psutil.Process(self.pid).children(recursive=True))

    def end(self, number: int) -> int:
        """Send a signal and wait for the exit status."""
        self._process.send_signal(number)
        return self.exit_status()

    def exit_status(self) -> int:
        """Wait until it exits."""
        return self._process.wait(EXIT_SECONDS)


if __name__ == "__main__":
    stand_in = (sys.executable, "-m", "tests.embedded.stand_in", sys.argv[1])
    sys.exit(asyncio.run(up(read_settings(os.environ), command=stand_in)))
