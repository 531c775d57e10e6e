"""Several API processes on the same servers, also such that lack one of their guards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from app.embedded.ports import free_port
from storage.urls import ShardUrls
from tests.processes import CHECKOUT, LIFELINE, NO_TLS, START_SECONDS, wait_until


@contextmanager
def api_processes(
    urls: ShardUrls, folder: Path, *, count: int, without: str | None = None
) -> Iterator[list[str]]:
    """The URLs of API processes that are ready.

    Args:
        without: A function of tests.reads.sabotage, which takes a guard away.
    """
    sabotage = f"from tests.reads.sabotage import {without}; {without}(); " if without else ""
    program = f"{sabotage}from app.cli import main; main(['api'])"
    with ExitStack() as stack:
        found = []
        for number in range(count):
            port = free_port()
            log = stack.enter_context((folder / f"api-{without}-{number}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-c", program],
                env={
                    **os.environ,
                    "TOCSIN_PRIMARY_URL": urls.primary,
                    "TOCSIN_REPLICA_URLS": ",".join(urls.replicas),
                    "TOCSIN_REDIS_URL": urls.redis,
                    "TOCSIN_PORT": str(port),
                    "TOCSIN_EGRESS_ALLOW": "127.0.0.0/8",
                    **LIFELINE.environment,
                },
                pass_fds=(LIFELINE.fileno(),),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            found.append(f"http://127.0.0.1:{port}")
        for url in found:
            wait_until(
                lambda url=url: _is_ready(url), seconds=START_SECONDS, what=f"{url} is ready"
            )
        yield found


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", verify=NO_TLS).status_code == 200
    except httpx.TransportError:
        return False
