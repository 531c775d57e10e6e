"""A data directory that is removed with all that servers kept for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.embedded.home import servers_in
from app.embedded.servers import EmbeddedServers
from tests.servers import sow

ROOM_BYTES = 2**31


@pytest.fixture
def data_dir(starts_processes: None) -> Iterator[Path]:
    """A new data directory whose parents everyone may enter."""
    yield from _data_dir()


@pytest.fixture
def servers_before(data_dir: Path, seed: Path) -> None:
    """Servers ran in the data directory before: a start from nothing takes longer."""
    sow(seed, data_dir)


@pytest.fixture(scope="module")
def shipped_servers(starts_processes: None) -> Iterator[EmbeddedServers]:
    """Servers as shipped, shared by the tests of a module."""
    for directory in _data_dir():
        with EmbeddedServers(directory) as servers:
            yield servers


@pytest.fixture
def private_data_dir(starts_processes: None, tmp_path: Path) -> Iterator[Path]:
    """A new data directory under a private one."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    yield private / "data"
    home = servers_in(private / "data")
    if home.is_symlink():
        shutil.rmtree(home.readlink())


def _data_dir() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="tocsin-", dir=_fast_place()))
    parent.chmod(0o755)
    yield parent / "data"
    shutil.rmtree(parent)


def _fast_place() -> Path | None:
    """Memory, where there is enough: a slow disk makes a slow test."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM_BYTES else None
