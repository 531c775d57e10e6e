"""The servers' passwords: made once, kept with the servers' files."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from app.embedded.account import Account
from app.embedded.errors import EmbeddedServerError


class Passwords(msgspec.Struct, frozen=True, kw_only=True):
    """One password an account. Hexadecimal, so that they need no quoting anywhere."""

    superuser: str
    application: str
    replication: str
    valkey: str


def open_passwords(home: Path) -> Passwords:
    """Read the passwords kept in `home`, or make and keep them."""
    kept = home / "passwords.json"
    if kept.exists():
        return _read(kept)
    passwords = Passwords(
        superuser=secrets.token_hex(16),
        application=secrets.token_hex(16),
        replication=secrets.token_hex(16),
        valkey=secrets.token_hex(16),
    )
    Account().write_private(kept, msgspec.json.encode(passwords).decode())
    return passwords


def _read(kept: Path) -> Passwords:
    try:
        return msgspec.json.decode(kept.read_bytes(), type=Passwords)
    except PermissionError:
        raise EmbeddedServerError(
            f"{kept} belongs to another user: start Tocsin as that user, or set TOCSIN_DATA_DIR "
            "to a directory of your own."
        ) from None
