"""Standard Webhooks signatures (https://www.standardwebhooks.com)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from hmac import digest


def sign(secrets: Iterable[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for each live secret.

    Args:
        secrets: `whsec_` and the base64 of 24 to 64 bytes.
        timestamp: Of this attempt, in seconds since 1970.
        body: Exactly the bytes that are sent.
    """
    content = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return " ".join(
        "v1," + b64encode(digest(_key(secret), content, sha256)).decode() for secret in secrets
    )


def _key(secret: str) -> bytes:
    return b64decode(secret.removeprefix("whsec_"))
