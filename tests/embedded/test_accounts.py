"""Embedded servers run for root and for ordinary users, wherever the data directory lies."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.embedded.account import Account
from app.embedded.errors import EmbeddedServerError
from app.embedded.home import open_home
from app.embedded.servers import EmbeddedServers
from tests.embedded.databases import replica_catches_up

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")

START = """
import sys
from pathlib import Path
from app.embedded.servers import EmbeddedServers
with EmbeddedServers(Path(sys.argv[1]), durable=False) as servers:
    assert servers._home.parent == Path(sys.argv[1]).resolve(), servers._home
    print([server.is_ready() for server in servers.servers])
"""


@as_root
def test_root_starts_servers_as_nobody_in_the_data_directory(data_dir: Path) -> None:
    with EmbeddedServers(data_dir, durable=False) as servers:
        users = {psutil.Process(server.pid).username() for server in servers.servers}
        assert users == {"nobody"}
        assert servers._home == data_dir.resolve() / "servers"


@as_root
def test_under_a_private_home_the_data_directory_links_to_the_servers_files(
    private_data_dir: Path,
) -> None:
    for _ in range(2):
        with EmbeddedServers(private_data_dir, durable=False) as servers:
            replica_catches_up(servers)
            assert (private_data_dir / "servers").readlink() == servers._home
    assert private_data_dir.parent.stat().st_mode & 0o777 == 0o700


@as_root
def test_an_ordinary_user_needs_no_root(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    data_dir.mkdir()
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    here = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [_python_for_all(), "-B", "-c", START, str(data_dir)],
        env={"PYTHONPATH": os.pathsep.join([str(here), *filter(None, sys.path)])},
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "[True, True, True]\n", done.stderr


def test_a_lost_link_is_no_empty_start(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "servers").symlink_to(data_dir / "gone")
    with pytest.raises(EmbeddedServerError, match="remove the link to start empty"):
        open_home(data_dir, Account())


def _python_for_all() -> str:
    """An interpreter of this version that every user may run."""
    name = f"python3.{sys.version_info.minor}"
    for candidate in (sys.executable, shutil.which(name, path="/usr/bin:/usr/local/bin")):
        if candidate and Account(uid=65534, gid=65534).reaches(Path(candidate)):
            return candidate
    pytest.skip("no Python that an ordinary user could run")
