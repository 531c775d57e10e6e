"""Servers that are measured beside our own, each in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

from loadtests import CHECKOUT
from loadtests.measures.system import free_port

START_SECONDS = 30.0


@contextmanager
def served(
    module: str, *arguments: str, environment: Mapping[str, str] = os.environ, path: str = "/"
) -> Iterator[tuple[str, int]]:
    """The URL and process id of a server, which is told its port as first argument.

    Args:
        path: What it answers when it is ready.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(port), *arguments],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        env=dict(environment),
    )
    try:
        _wait_until_it_answers(port, path)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.communicate()


def end_with_parent() -> None:
    """Called by such a server: it ends when the process that started it does."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_until_it_answers(port: int, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer on port {port} within {START_SECONDS:g} s")
        time.sleep(0.05)
