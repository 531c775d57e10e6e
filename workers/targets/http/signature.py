"""Standard Webhooks signatures (https://www.standardwebhooks.com)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from hmac import digest
from uuid import UUID

from cachetools import LRUCache

from domain.targets.signing import SigningSecret, live
from storage.crypto.encryption_keys import EncryptionKeys
from storage.services.signing_secrets import stored_of, text_of

_OPENED = 4_096


class OpenSecret(SigningSecret, frozen=True, kw_only=True):
    """A signing secret that was decrypted."""

    text: str


class SigningSecrets:
    """Decrypts what runs bring along.

    What was decrypted is kept by what it was decrypted from, so it is never out of date; the least
    recently used go first.
    """

    def __init__(self, keys: EncryptionKeys) -> None:
        self._keys = keys
        self._opened: LRUCache[tuple[UUID, tuple[str, ...]], list[OpenSecret]] = LRUCache(_OPENED)

    def live(self, service_id: UUID, stored: Sequence[str], now: datetime) -> list[str]:
        """The secrets to sign with.

        Raises:
            Undecipherable: When the key is not there.
        """
        key = service_id, tuple(stored)
        opened = self._opened.get(key)
        if opened is None:
            opened = self._opened[key] = self._open(service_id, stored, now)
        return [one.text for one in live(opened, now)]

    def _open(self, service_id: UUID, stored: Sequence[str], now: datetime) -> list[OpenSecret]:
        # `now` in place of when the service was made, which is not looked at.
        found = stored_of(stored, service_id, now)
        return [
            OpenSecret(
                id=one.id,
                created_at=one.created_at,
                expires_at=one.expires_at,
                text=text_of(one, service_id, self._keys),
            )
            for one in live(found, now)
        ]


def sign(secrets: Iterable[str], webhook_id: str, timestamp: int, body: bytes | memoryview) -> str:
    """The `webhook-signature` header: one signature for each live secret.

    Args:
        secrets: `whsec_` and the base64 of 24 to 64 bytes.
        timestamp: Of this attempt, in seconds since 1970.
        body: Exactly the bytes that are sent.
    """
    content = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return " ".join("v1," + b64encode(_hmac(secret, content)).decode() for secret in secrets)


def _hmac(secret: str, content: bytes) -> bytes:
    return digest(b64decode(secret.removeprefix("whsec_")), content, "sha256")
