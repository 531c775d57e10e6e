"""The operating-system account that embedded servers run as."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.embedded.errors import EmbeddedServerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a program in the foreground: the arguments of `subprocess.Popen`.

    `user` and `group` are None when the program runs as whoever starts it.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    user: int | None
    group: int | None

    @property
    def extra_groups(self) -> list[int] | None:
        """No other groups for a changed user; the inherited ones otherwise."""
        return None if self.user is None else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account to run servers as; without a uid, the one we run as ourselves."""

    uid: int | None = None
    gid: int | None = None

    def launch(self, argv: Sequence[str | Path], *, cwd: Path, **env: str) -> Launch:
        """Describe a program with a clean environment: PG* variables of the caller mislead it."""
        clean = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(cwd)}
        return Launch(
            argv=tuple(map(str, argv)), env=clean | env, cwd=cwd, user=self.uid, group=self.gid
        )

    def own(self, path: Path, mode: int) -> Path:
        """Give a path that we created to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)
        return path

    def write_private(self, path: Path, content: str) -> Path:
        """Write a file that only this account reads; it appears complete or not at all."""
        partial = path.with_name(path.name + ".partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return self.own(partial, 0o600).replace(path)

    def reaches(self, path: Path) -> bool:
        """Whether the account may pass through every directory above `path`."""
        if self.uid is None:
            return True
        return all(self._may_search(parent.stat()) for parent in path.resolve().parents)

    def _may_search(self, directory: os.stat_result) -> bool:
        if directory.st_uid == self.uid:
            return bool(directory.st_mode & stat.S_IXUSR)
        if directory.st_gid == self.gid:
            return bool(directory.st_mode & stat.S_IXGRP)
        return bool(directory.st_mode & stat.S_IXOTH)


def choose_account(existing: Path) -> Account:
    """Pick the account for servers whose files are, or will be, in `existing`.

    PostgreSQL refuses to run as root, so root starts servers as `nobody`; or as the owner of
    files that an ordinary user made before.
    """
    if os.geteuid() != 0:
        return Account()
    if existing.exists() and (owner := existing.stat()).st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedServerError(
            "PostgreSQL does not run as root and there is no account 'nobody' to run it as: "
            "start Tocsin as an ordinary user, or point TOCSIN_PRIMARY_URL at a PostgreSQL."
        ) from None
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def run_to_end(launch: Launch, *, stdin: str = "", timeout: float) -> str:
    """Run a program and return what it printed; `timeout` is in seconds.

    Raises:
        EmbeddedServerError: With the program's output, when it fails or takes too long.
    """
    name = Path(launch.argv[0]).name
    try:
        done = subprocess.run(  # noqa: S603 (our own programs)
            launch.argv,
            env=launch.env,
            cwd=launch.cwd,
            user=launch.user,
            group=launch.group,
            extra_groups=launch.extra_groups,
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EmbeddedServerError(f"{name} did not finish within {timeout:g} s.") from None
    except OSError as error:
        raise EmbeddedServerError(f"{name} could not be started: {error}.") from error
    if done.returncode != 0:
        raise EmbeddedServerError(f"{name} exited with code {done.returncode}:\n{done.stdout}")
    return done.stdout
