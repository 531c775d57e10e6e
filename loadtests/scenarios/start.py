"""Start: how long an API and a worker take from being started until they are ready."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from statistics import median

from loadtests import CHECKOUT
from loadtests.compare.figures import Figure, Measured
from loadtests.measures.system import System, free_port

TIMES = 5
READY_SECONDS = 30.0
POLL_SECONDS = 0.005
STOP_SECONDS = 30.0
BARS = {"api": 1.5, "worker": 2.0}


def measure(system: System) -> Measured:
    """Start another of each, several times, beside those that run."""
    took = {name: [_seconds(system, name) for _ in range(TIMES)] for name in BARS}
    return Measured(
        figures=[
            Figure("start", f"{name} ready", median(seconds), "s", bar=BARS[name])
            for name, seconds in took.items()
        ],
        problems=[],
        details={"seconds": took},
    )


def _seconds(system: System, name: str) -> float:
    port = free_port()
    environment = system.environment_of(name) | {"TOCSIN_PORT": str(port)}
    began = time.monotonic()
    with _process(name, environment) as process:
        if name == "api":
            _wait_until(lambda: _answers(port))
        else:
            _wait_for_line(process, f"{name}.started")
        return time.monotonic() - began


@contextmanager
def _process(name: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", name],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _wait_for_line(process: "subprocess.Popen[bytes]", text: str) -> None:
    assert process.stdout is not None
    said = []
    for line in process.stdout:  # ends when the process does
        said.append(line)
        if text.encode() in line:
            return
    raise RuntimeError(f"It ended before it said {text}:\n{b''.join(said).decode()}")


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The API was not ready within {READY_SECONDS:g} s.")
        time.sleep(POLL_SECONDS)


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    with suppress(OSError, HTTPException):
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    return False
