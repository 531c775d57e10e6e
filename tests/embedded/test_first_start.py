"""The first `tocsin up` of somebody new, on a terminal, and what is asked beside it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from app.embedded.ports import free_port
from tests.processes import CHECKOUT, wait_until

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NOT_SET = ("TOCSIN_PRIMARY_URL", "TOCSIN_REPLICA_URLS", "TOCSIN_REDIS_URL", "NO_COLOR")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._shown = bytearray()
        self._screen, its_end = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            env=environment,
            cwd=CHECKOUT,
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
            start_new_session=True,
        )
        os.close(its_end)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._screen, 65_536):
                self._shown += part
        except OSError:
            pass  # Linux says so that nobody is at the other end any more
        os.close(self._screen)

    @property
    def lines(self) -> list[str]:
        """What is shown, without its colours."""
        return COLOURS.sub("", self._shown.decode()).splitlines()

    def shows(self, text: str) -> bool:
        """Whether that stands there by now; what ends before is a failure."""
        assert self._process.poll() is None, self.lines
        return any(text in line for line in self.lines)

    def end(self) -> int:
        """Press Ctrl-C, and return the exit status."""
        self._process.send_signal(signal.SIGINT)
        status = self._process.wait(40)
        self._reading.join(10)
        return status


def beside(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_is_calm_and_what_is_asked_beside_it_finds_its_servers(data_dir: Path) -> None:
    port = free_port()
    own = {"TOCSIN_DATA_DIR": str(data_dir), "TOCSIN_PORT": str(port), "TOCSIN_PROCESSES": "1"}
    environment = {name: it for name, it in os.environ.items() if name not in NOT_SET} | own
    before = beside(environment, "doctor")
    assert (before.returncode, before.stdout) == (1, "")
    assert before.stderr.startswith("Error: Set TOCSIN_PRIMARY_URL and TOCSIN_REDIS_URL, or start")

    terminal = Terminal(environment, "up")
    try:
        wait_until(lambda: terminal.shows("Tocsin is ready"), seconds=90, what="ready")
        wait_until(lambda: terminal.shows("[info     ] worker.started"), what="plain lines")
        for command in (("migrate",), ("stats", "rebuild"), ("secrets", "rotate")):
            done = beside(environment, *command)
            assert done.returncode == 0, done
        made = beside(environment, "key", "create", "--service", "beside")
        assert made.returncode == 0, made
        headers = {"authorization": f"Bearer {made.stdout.strip()}"}
        jobs = httpx.get(f"http://127.0.0.1:{port}/jobs", headers=headers)
        assert (jobs.status_code, jobs.json()["items"]) == (200, [])

        def well() -> bool:
            done = beside(environment, "doctor")
            subjects = {line.split()[1] for line in done.stdout.splitlines()}
            assert {"primary", "redis", "replica-1"} <= subjects, done
            return done.returncode == 0

        wait_until(well, what="doctor finds nothing that fails")
    finally:
        status = terminal.end()
    assert status == 0
    # Neither the words of a server that something asked for what is not there, nor JSON.
    noise = [line for line in terminal.lines if re.search(r'ERROR|FATAL|Traceback|\| *\{"', line)]
    assert noise == []
