"""The least that Litestar can do, served as our API is: what its own share of a request costs."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from litestar import Litestar, get

from app.serving import serve
from loadtests import CHECKOUT
from loadtests.system import free_port

START_SECONDS = 30.0


@get("/", sync_to_thread=False)
def hello() -> dict[str, str]:
    """Say hello."""
    return {"hello": "world"}


@contextmanager
def hello_process() -> Iterator[tuple[str, int]]:
    """The URL and process id of a server that says hello."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.hello", str(port)], cwd=CHECKOUT, stdin=subprocess.PIPE
    )
    try:
        _wait_until_it_answers(port)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.communicate()


def _wait_until_it_answers(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    app = Litestar([hello], openapi_config=None, logging_config=None)
    serve(app, "127.0.0.1", int(sys.argv[1]))
