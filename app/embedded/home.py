"""Where the servers keep their files: in the data directory, or linked from there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.embedded.account import Account
from app.embedded.errors import EmbeddedServerError
from app.embedded.programs import SHARED_PLACE, make_public


def servers_in(data_dir: Path) -> Path:
    """The path in the data directory that holds, or links to, the servers' files."""
    return data_dir / "servers"


def open_home(data_dir: Path, account: Account) -> Path:
    """Return the real folder of the servers' files, created if it is new.

    Where `account` cannot reach the data directory (a checkout under a private home), the
    folder is at another place and a link in the data directory leads there.
    """
    home = servers_in(data_dir)
    if home.is_dir():
        return _existing(home, account)
    if home.is_symlink():
        raise EmbeddedServerError(
            f"The servers' files are gone: {home} links to {home.readlink()}, which does not "
            "exist. Bring it back, or remove the link to start empty."
        )
    make_public(data_dir)
    if account.reaches(home):
        make_public(home)
    else:
        home.symlink_to(_elsewhere(data_dir))
    return home.resolve()


def _existing(home: Path, account: Account) -> Path:
    if not account.reaches(home):
        raise EmbeddedServerError(
            f"The account with uid {account.uid} cannot reach {home.resolve()} any more: move "
            "the data directory back to where it was, or set TOCSIN_DATA_DIR to an empty place."
        )
    return home.resolve()


def _elsewhere(data_dir: Path) -> Path:
    """A new folder of a unique name: two data directories never share one, even if moved."""
    make_public(SHARED_PLACE)
    resolved = data_dir.resolve()
    prefix = f"{resolved.parent.name}-{resolved.name.lstrip('.')}-"
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=SHARED_PLACE))
    place.chmod(0o755)
    return place
