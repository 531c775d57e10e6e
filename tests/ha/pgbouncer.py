"""PgBouncer in transaction mode: the one on PATH, or else Debian's, fetched and not installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.embedded.account import Launch, choose_account
from app.embedded.ports import free_port
from tests.processes import CHECKOUT, wait_until

FETCHED = CHECKOUT / ".venv" / "pgbouncer"
PACKAGES = ("pgbouncer", "libevent-2.1-7", "libc-ares2")
SERVER_CONNECTIONS = 5
# Each transaction goes to another connection than the one before: what relies on one is found out.
CONFIGURATION = """\
[databases]
{database} = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
server_round_robin = 1
server_login_retry = 1
"""


@contextmanager
def pgbouncer_before(url: str) -> Iterator[tuple[str, int]]:
    """The URL of a PgBouncer before a Postgres, and its process."""
    with _public_folder() as folder:
        program, libraries = _program(folder)
        port, parts = free_port(), urlsplit(url)
        (folder / "pgbouncer.ini").write_text(
            CONFIGURATION.format(
                database=parts.path.strip("/"),
                host=parts.hostname,
                server_port=parts.port,
                port=port,
                folder=folder,
                size=SERVER_CONNECTIONS,
            )
        )
        (folder / "users.txt").write_text(f'"{parts.username}" "{parts.password}"\n')
        launch = choose_account(folder).launch(
            [program, folder / "pgbouncer.ini"], cwd=folder, LD_LIBRARY_PATH=libraries
        )
        with _running(launch, folder / "log") as process:
            wait_until(lambda: _listens(port), what=f"PgBouncer: {folder}/log")
            yield url.replace(f":{parts.port}/", f":{port}/"), process.pid


@contextmanager
def _public_folder() -> Iterator[Path]:
    """A folder that PgBouncer can read as nobody: it refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(launch: Launch, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            user=launch.user,
            group=launch.group,
            extra_groups=launch.extra_groups,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _program(folder: Path) -> tuple[Path, str]:
    """Where it is, and where its libraries are."""
    installed = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if installed:
        return Path(installed), ""
    if not FETCHED.exists():
        _fetch()
    shutil.copytree(FETCHED, folder / "debian")
    (program,) = (folder / "debian").glob("usr/*bin/pgbouncer")
    libraries = {path.parent for path in (folder / "debian" / "usr" / "lib").rglob("*.so*")}
    return program, ":".join(map(str, libraries))


def _fetch() -> None:
    """Unpack Debian's packages into the environment of the tests."""
    if not shutil.which("apt-get"):
        pytest.skip("PgBouncer is not on PATH, and this is no Debian to fetch it from.")
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "lists")
        (state / "partial").mkdir(parents=True)
        apt = (
            "apt-get",
            "-qq",
            "-o",
            f"Dir::State::Lists={state}",
            "-o",
            "APT::Sandbox::User=root",
        )
        try:
            _run(*apt, "update", cwd=folder)
            _run(*apt, "download", *PACKAGES, cwd=folder)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"PgBouncer is not on PATH, and cannot be fetched: {error.stderr.strip()}")
        partial = FETCHED.with_name(FETCHED.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for package in Path(folder).glob("*.deb"):
            _run("dpkg-deb", "--extract", str(package), str(partial), cwd=folder)
        partial.rename(FETCHED)


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=120)
