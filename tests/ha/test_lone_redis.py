"""A Valkey of the manifests that is cut off from its replicas takes no writes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from app.embedded.ports import free_port
from tests.ha.sentinels import PASSWORD, valkey_binary
from tests.processes import CHECKOUT, wait_until

START = CHECKOUT / "k8s/examples/valkey/start.sh"


class Pods:
    """Runs start.sh as pods of the StatefulSet do, on this host."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self._folder = folder
        self._running = running

    def start(self, name: str, *arguments: str) -> int:
        """The port of a Valkey that start.sh has started in a pod of that name."""
        port = free_port()
        programs = self._folder / name
        programs.mkdir()
        here = f"--port {port} --bind 127.0.0.1 {' '.join(arguments)}"
        for program, script in {
            "hostname": f"echo {name}",
            "valkey-cli": "exit 1",
            "valkey-server": f'exec {valkey_binary()} "$@" {here}',
        }.items():
            (programs / program).write_text(f"#!/bin/sh\n{script}\n")
            (programs / program).chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}"
        process = subprocess.Popen(
            ["sh", str(START), "valkey"],
            env={**os.environ, "PATH": path, "VALKEY_PASSWORD": PASSWORD},
            stdout=subprocess.DEVNULL,
        )
        self._running.callback(process.wait)
        self._running.callback(process.kill)
        return port


@pytest.fixture
def pods(starts_processes: None, tmp_path: Path) -> Iterator[Pods]:
    with ExitStack() as running:
        yield Pods(tmp_path, running)


def test_it_takes_writes_only_with_a_replica(pods: Pods) -> None:
    port = pods.start("valkey-0")
    with Redis(host="127.0.0.1", port=port, password=PASSWORD) as redis:
        wait_until(lambda: answers(redis), what="Valkey answers")
        with pytest.raises(RedisError, match="NOREPLICAS"):
            redis.set("name", "value")
        pods.start("valkey-1", "--replicaof", "127.0.0.1", str(port))
        wait_until(lambda: takes_writes(redis), what="the replica follows")


def answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def takes_writes(redis: Redis) -> bool:
    try:
        return bool(redis.set("name", "value"))
    except RedisError:
        return False
