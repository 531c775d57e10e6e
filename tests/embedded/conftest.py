"""A data directory that is removed with all that servers kept for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.embedded.home import servers_in


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A new data directory whose parents everyone may enter."""
    parent = Path(tempfile.mkdtemp(prefix="tocsin-"))
    parent.chmod(0o755)
    yield parent / "data"
    remove_data(parent / "data")
    shutil.rmtree(parent)


@pytest.fixture
def private_data_dir(tmp_path: Path) -> Iterator[Path]:
    """A new data directory under a private one."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    yield private / "data"
    remove_data(private / "data")


def remove_data(data_dir: Path) -> None:
    home = servers_in(data_dir)
    if home.is_symlink():
        shutil.rmtree(home.resolve(), ignore_errors=True)
    shutil.rmtree(data_dir, ignore_errors=True)
