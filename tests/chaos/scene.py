"""What faults are done to: the servers, the crowd of processes, and the disks beneath."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from app.embedded.servers import EmbeddedServers
from tests.chaos.crowd import Crowd

# What says that the primary is away, of whoever asks it meanwhile.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
DATA_BYTES = 2 << 30
METRICS_BYTES = 8 << 20
WAL_MEGABYTES = 256
"""A disk of memory is not to be filled by what is written anyway."""


class Disk:
    """A folder that can be filled: a small file system in memory, which takes root to mount."""

    def __init__(self, folder: Path, *, is_small: bool) -> None:
        self.folder = folder
        self.can_fill = is_small
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("wb") as file:
            for size in (1 << 24, 1 << 16, 1 << 12, 1):
                self._write_all(file.fileno(), b"\0" * size)

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)

    def _write_all(self, file: int, block: bytes) -> None:
        try:
            while os.write(file, block) == len(block):
                pass
        except OSError:
            return  # no space left


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of so many bytes; an ordinary folder where it cannot be mounted."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    is_small = (
        os.geteuid() == 0 and not subprocess.run(mount, check=False, capture_output=True).returncode
    )
    try:
        yield Disk(folder, is_small=is_small)
    finally:
        if is_small:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


class Scene:
    """All of it, for one seed.

    Attributes:
        over: Set when no further fault is to begin.
    """

    def __init__(self, crowd: Crowd, servers: EmbeddedServers, data: Disk, metrics: Disk) -> None:
        self.crowd = crowd
        self.servers = servers
        self.data = data
        self.metrics = metrics
        self.over = threading.Event()
        self.primary_lock = threading.Lock()

    def last(self, seconds: float) -> None:
        """Let a fault last so long, or until all is to be healed."""
        self.over.wait(seconds)

    def execute(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask the primary."""
        return asyncio.run(self._execute(statement, arguments))

    async def _execute(self, statement: str, arguments: tuple[Any, ...]) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.servers.primary.url, timeout=5)
        try:
            return list(await connection.fetch(statement, *arguments, timeout=30))
        finally:
            await connection.close(timeout=5)
