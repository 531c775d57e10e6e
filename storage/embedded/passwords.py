"""The servers' passwords: made once, kept with the servers' files."""

import os
import secrets
from pathlib import Path

import msgspec


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
        return msgspec.json.decode(kept.read_bytes(), type=Passwords)
    passwords = Passwords(
        superuser=secrets.token_hex(16),
        application=secrets.token_hex(16),
        replication=secrets.token_hex(16),
        valkey=secrets.token_hex(16),
    )
    write_private(kept, msgspec.json.encode(passwords))
    return passwords


def write_private(path: Path, content: bytes) -> Path:
    """Write a file that only its owner reads; it appears complete or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return path
