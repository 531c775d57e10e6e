"""The encryption keys that `tocsin up` makes once and keeps in its data directory."""

from __future__ import annotations

import os
from pathlib import Path

from storage.crypto.encryption_keys import new_key

FILE = "encryption-keys"
_FIRST = "k1"


def kept_encryption_keys(data_dir: Path) -> str:
    """What TOCSIN_ENCRYPTION_KEYS is to say; an operator may edit the file to rotate keys."""
    path = data_dir / FILE
    if not path.exists():
        _keep(path, new_key(_FIRST))
    return path.read_text().strip()


def _keep(path: Path, text: str) -> None:
    """Write a file that only its owner reads; it appears complete or not at all, and stays."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
