"""Where the embedded servers of a data directory are now, for whoever else is on this machine."""

from __future__ import annotations

from pathlib import Path

import msgspec

from app.embedded.account import Account
from app.embedded.errors import EmbeddedServerError
from app.embedded.lock import is_held

FILE = "running.json"


class RunningServers(msgspec.Struct, frozen=True, kw_only=True):
    """Their URLs, passwords included; what is not embedded is None."""

    primary: str | None
    replicas: tuple[str, ...] = ()
    redis: str | None


def tell_running(data_dir: Path, running: RunningServers) -> None:
    """Keep where they are, readable for their owner only, who holds the lock on the directory."""
    Account().write_private(data_dir / FILE, msgspec.json.encode(running).decode())


def find_running(data_dir: Path) -> RunningServers | None:
    """Where they are; None when nobody runs on the data directory.

    Raises:
        EmbeddedServerError: When another user does.
    """
    kept = data_dir / FILE
    if not kept.exists() or not is_held(data_dir):
        return None
    try:
        return msgspec.json.decode(kept.read_bytes(), type=RunningServers)
    except PermissionError:
        raise EmbeddedServerError(
            f"{kept} belongs to another user: run this as the user who runs `tocsin up`."
        ) from None
