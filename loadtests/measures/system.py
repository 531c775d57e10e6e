"""The whole of Tocsin for a measurement: `tocsin up` on a fresh data directory."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from app.embedded.passwords import open_passwords
from loadtests import CHECKOUT
from loadtests.measures.cpu import family

READY_SECONDS = 120.0
STOP_SECONDS = 40.0
REQUEST_SECONDS = 10.0
LOG_LINES = 40
LIMITS = (
    "reads_per_minute",
    "writes_per_minute",
    "user_reads_per_minute",
    "user_writes_per_minute",
    "jobs",
)
OUT_OF_REACH = 10_000_000
EXTERNAL_SERVERS = {"TOCSIN_PRIMARY_URL", "TOCSIN_REPLICA_URLS", "TOCSIN_REDIS_URL"}


class System:
    """A running Tocsin; as a context manager it always stops what it started."""

    def __init__(self) -> None:
        self._data_dir = Path(tempfile.mkdtemp(prefix="tocsin-bench-"))
        self._data_dir.chmod(0o755)  # the servers may run as another account
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._started: list[psutil.Process] = []
        self.key = ""

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of `tocsin up`."""
        if self._process is None:
            raise RuntimeError("Start the system first.")
        return self._process.pid

    @property
    def headers(self) -> dict[str, str]:
        """What authorises a request."""
        return {"authorization": f"Bearer {self.key}"}

    @property
    def operator_key(self) -> str:
        """What authorises an operator of the installation."""
        return (self._data_dir / "operator-key").read_text().strip()

    def start(self) -> Self:
        """Start everything and wait until it is ready."""
        with self._log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "up"],
                env=environment(self._data_dir, self._port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=CHECKOUT,
            )
        self._wait_until_ready(self._process)
        self._lift_limits()
        return self

    def get(self, path: str) -> Any:
        """The JSON of a GET; anything but 200 is an error."""
        status, body = self._request(path)
        if status != 200:
            raise RuntimeError(f"GET {path} answered {status}: {body[:200]!r}")
        return json.loads(body)

    def environment_of(self, name: str) -> dict[str, str]:
        """The environment of one of our processes: it says where the servers are."""
        for process in self._started:
            if process.cmdline()[-1:] == [name]:
                found = process.environ()
                # What it has open is not another's.
                own = {"TOCSIN_LISTEN_FD", "TOCSIN_LIFELINE", "PROMETHEUS_MULTIPROC_DIR"}
                return {key: value for key, value in found.items() if key not in own}
        raise RuntimeError(f"There is no process {name}.")

    def stop(self) -> None:
        """Stop everything, the hard way where it does not end by itself, and remove its data."""
        process, self._process = self._process, None
        if process is not None:
            self._started = family(process.pid) if process.poll() is None else self._started
            process.terminate()
            psutil.wait_procs(self._started, timeout=STOP_SECONDS)
            for left in filter(is_running, self._started):
                print(f"Had to kill {left}.", file=sys.stderr)
                left.kill()
            process.wait()
        self._remove_data()

    def log_tail(self) -> str:
        """The last lines that the system logged."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    @property
    def superuser_password(self) -> str:
        """Of the account `postgres` of the primary."""
        return open_passwords(self._servers_dir).superuser

    @property
    def _servers_dir(self) -> Path:
        return self._data_dir / "servers"

    @property
    def _log_file(self) -> Path:
        return self._data_dir / "up.log"

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"tocsin up did not get ready:\n{self.log_tail()}")
            time.sleep(0.1)
        self._started = family(process.pid)

    def _is_ready(self) -> bool:
        key_file = self._data_dir / "demo-key"
        self.key = key_file.read_text().strip() if key_file.exists() else ""
        if not (self._data_dir / "operator-key").exists():
            return False
        try:
            return self._request("/health/ready")[0] == self._request("/jobs?limit=1")[0] == 200
        except (OSError, HTTPException):
            return False

    def _lift_limits(self) -> None:
        """One service stands for all of them: its limits are counted, and not in the way."""
        service_id = self.get("/me")["service_id"]
        headers = {
            "authorization": f"Bearer {self.operator_key}",
            "content-type": "application/json",
        }
        body = json.dumps({"limits": dict.fromkeys(LIMITS, OUT_OF_REACH)})
        status, answer = self._request(f"/services/{service_id}", "PATCH", headers, body)
        if status != 200:
            raise RuntimeError(f"Lifting the limits was answered {status}: {answer!r}")

    def _request(
        self,
        path: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=REQUEST_SECONDS)
        try:
            connection.request(method, path, body, headers or self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _remove_data(self) -> None:
        servers = self._servers_dir
        if servers.is_symlink():  # another account's files, where ours is out of its reach
            shutil.rmtree(servers.resolve(), ignore_errors=True)
        shutil.rmtree(self._data_dir, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def environment(data_dir: Path, port: int) -> dict[str, str]:
    """Our own environment, but never with servers outside the data directory."""
    kept = {name: value for name, value in os.environ.items() if name not in EXTERNAL_SERVERS}
    return kept | {"TOCSIN_DATA_DIR": str(data_dir), "TOCSIN_PORT": str(port)}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_running(process: psutil.Process) -> bool:
    """Whether this very process, not another with its id, still runs."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def exit_on_sigterm() -> None:
    """Let SIGTERM unwind the stack, so that whatever was started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
