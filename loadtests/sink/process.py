"""The sink in a process of its own, as tests and benchmarks use it."""

import select
import subprocess
import sys
import time
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec

from loadtests import CHECKOUT
from loadtests.sink.arrivals import MAX_ARRIVALS, Counts, Report

START_SECONDS = 20.0
STOP_SECONDS = 5.0


class SinkProcess:
    """Starts and stops a sink, and reads what reached it; ends with its parent in any case."""

    def __init__(self, *, keep: int = MAX_ARRIVALS, port: int = 0) -> None:
        self._arguments = ["--with-parent", "--keep", str(keep), "--port", str(port)]
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40000`."""
        return self._url

    @property
    def pid(self) -> int:
        """The process id, for measuring its CPU."""
        if self._process is None:
            raise RuntimeError("Start the sink first.")
        return self._process.pid

    def start(self) -> Self:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loadtests.sink.server", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=CHECKOUT,
        )
        self._url = first_line(self._process, START_SECONDS)
        if not self._url:
            self.stop()
            raise RuntimeError("The sink did not start; its error is above.")
        return self

    def stop(self) -> None:
        """Stop it; harmless when it already stopped."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def counts(self) -> Counts:
        """How much arrived since the last reset."""
        return msgspec.json.decode(self._request("GET", "/_counts"), type=Counts)

    def report(self) -> Report:
        """The counts and every arrival since the last reset."""
        return msgspec.json.decode(self._request("GET", "/_report"), type=Report)

    def reset(self) -> None:
        """Forget what arrived."""
        self._request("POST", "/_reset")

    def wait_for(self, unique_ids: int, *, seconds: float, every: float = 0.1) -> Counts:
        """Wait until so many different webhook-ids arrived or the time is up; say what did."""
        deadline = time.monotonic() + seconds
        while True:
            counts = self.counts()
            if counts.unique_ids >= unique_ids or time.monotonic() >= deadline:
                return counts
            time.sleep(every)

    def _request(self, method: str, path: str) -> bytes:
        address = urlsplit(self._url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=START_SECONDS)
        try:
            connection.request(method, path, headers={"connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"The sink answered {answer.status} to {method} {path}.")
        return body

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def first_line(process: subprocess.Popen[bytes], seconds: float) -> str:
    """The first line a process prints, or nothing when it ends or takes longer."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline().decode().strip() if readable else ""
