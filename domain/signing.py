"""Secrets that deliveries are signed with (https://www.standardwebhooks.com)."""

from __future__ import annotations

from base64 import b64encode
from secrets import token_bytes


def new_signing_secret() -> str:
    """A secret of 32 bytes, as targets are given it."""
    return "whsec_" + b64encode(token_bytes(32)).decode()
