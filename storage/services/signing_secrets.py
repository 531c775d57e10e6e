"""Signing secrets, as a row of `services` holds them: newest first.

Each is an element of `signing_secrets`: JSON of a StoredSecret, or just `whsec_…` where there was
no key to encrypt it with. Such a one counts as made with its service, and has its id.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import asdict, replace

from domain.targets.signing import SigningSecret
from storage.crypto.encryption_keys import AssociatedData, EncryptionKeys, Sealed

_CLEAR = "whsec_"


class StoredSecret(SigningSecret, frozen=True, kw_only=True, omit_defaults=True):
    """Attributes:
    content: As storage.crypto.encryption_keys.Sealed has it; the text itself where there is no `key_id`.
    """

    content: bytes


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredSecret).decode


def new_stored(
    text: str, service_id: UUID, secret: SigningSecret, keys: EncryptionKeys
) -> StoredSecret:
    """A secret, encrypted.

    Raises:
        Undecipherable: When the keys is empty.
    """
    sealed = keys.seal(text, _associated_data_of(service_id, secret.id))
    known = asdict(secret) | {"key_id": sealed.key_id}
    return StoredSecret(**known, content=sealed.content)


def first_of_service(text: str, service_id: UUID, now: datetime, keys: EncryptionKeys) -> str:
    """What a new service's row is to hold: in clear when there are no keys."""
    if not keys:
        return text
    return written(new_stored(text, service_id, SigningSecret(id=service_id, created_at=now), keys))


def stored_of(texts: Iterable[str], service_id: UUID, created_at: datetime) -> list[StoredSecret]:
    """What a service's row holds.

    Args:
        created_at: When the service was made.
    """
    return [_stored_of(text, service_id, created_at) for text in texts]


def written(stored: StoredSecret) -> str:
    """The element for a secret."""
    return stored.content.decode() if stored.key_id is None else _encode(stored).decode()


def text_of(stored: StoredSecret, service_id: UUID, keys: EncryptionKeys) -> str:
    """The secret itself, `whsec_…`.

    Raises:
        Undecipherable: When the keys lacks its key.
    """
    if stored.key_id is None:
        return stored.content.decode()
    sealed = Sealed(stored.key_id, stored.content)
    return keys.open(sealed, _associated_data_of(service_id, stored.id))


def sealed_anew(stored: StoredSecret, service_id: UUID, keys: EncryptionKeys) -> StoredSecret:
    """The same secret under the first key.

    Raises:
        Undecipherable: When the keys lacks its key.
    """
    if stored.key_id == keys.first:
        return stored
    return new_stored(text_of(stored, service_id, keys), service_id, _told(stored), keys)


def _told(stored: StoredSecret) -> SigningSecret:
    return SigningSecret(id=stored.id, created_at=stored.created_at, expires_at=stored.expires_at)


def ending(stored: StoredSecret, at: datetime) -> StoredSecret:
    """The same secret with an end."""
    return replace(stored, expires_at=at)


def _stored_of(text: str, service_id: UUID, created_at: datetime) -> StoredSecret:
    if text.startswith(_CLEAR):
        return StoredSecret(id=service_id, created_at=created_at, content=text.encode())
    return _decode(text)


def _associated_data_of(service_id: UUID, secret_id: UUID) -> AssociatedData:
    return AssociatedData("signing secret", service_id, str(secret_id))
