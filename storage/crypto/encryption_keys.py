"""Keys that values are encrypted with at rest: the first encrypts, all decrypt."""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_ENTRY = re.compile(r"(?P<id>[A-Za-z0-9._-]{1,32}):(?P<key>[A-Za-z0-9+/]+={0,2})")


class BadEncryptionKeys(Exception):
    """The text of a key keys makes no sense; says where, and never what a key is."""


class Undecipherable(Exception):
    """A value cannot be encrypted or decrypted with this keys; says which key it would take."""


class AssociatedData(Struct, frozen=True):
    """Where an encrypted value belongs; anywhere else it does not decrypt.

    Attributes:
        kind: What it is, so that one kind of value is never taken for another.
        name: What it is called among those of its kind.
    """

    kind: str
    service_id: UUID
    name: str

    def with_key(self, key_id: str) -> bytes:
        """Authenticated with the value: neither it nor the name of its key can be exchanged."""
        texts = b"\0".join(text.encode() for text in (self.kind, key_id, self.name))
        return self.service_id.bytes + texts


class Sealed(Struct, frozen=True):
    """An encrypted value.

    Attributes:
        content: 12 random bytes of nonce, then what AES-256-GCM makes of the value.
    """

    key_id: str
    content: bytes


class EncryptionKeys:
    """Encrypts with AES-256-GCM.

    Args:
        keys: By id, the one that encrypts first; with none, nothing can be kept secret.
    """

    def __init__(self, keys: Iterable[tuple[str, bytes]] = ()) -> None:
        self._keys = {key_id: _cipher(key) for key_id, key in keys}

    @property
    def first(self) -> str:
        """The id of the key that encrypts.

        Raises:
            Undecipherable: When there is none.
        """
        for key_id in self._keys:
            return key_id
        raise Undecipherable(
            "This installation has no encryption keys; its operator sets TOCSIN_ENCRYPTION_KEYS."
        )

    def __bool__(self) -> bool:
        return bool(self._keys)

    def seal(self, value: str, place: AssociatedData) -> Sealed:
        """Encrypt a value under the first key.

        Raises:
            Undecipherable: When there is no key.
        """
        key_id = self.first
        nonce = secrets.token_bytes(_NONCE_BYTES)
        content = self._keys[key_id].encrypt(nonce, value.encode(), place.with_key(key_id))
        return Sealed(key_id, nonce + content)

    def open(self, sealed: Sealed, place: AssociatedData) -> str:
        """Decrypt a value.

        Raises:
            Undecipherable: When its key is not in the keys, or it was not encrypted for that place.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 (as in _cipher)

        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Undecipherable(
                f"The {place.kind} {place.name!r} is encrypted with the key {sealed.key_id!r}, "
                "which is not in TOCSIN_ENCRYPTION_KEYS."
            )
        nonce, content = sealed.content[:_NONCE_BYTES], sealed.content[_NONCE_BYTES:]
        try:
            return key.decrypt(nonce, content, place.with_key(sealed.key_id)).decode()
        except (InvalidTag, ValueError):
            raise Undecipherable(
                f"The {place.kind} {place.name!r} does not decrypt with the key "
                f"{sealed.key_id!r}: another key has that id, or the value was moved here."
            ) from None


NO_KEYS = EncryptionKeys()


def parse_encryption_keys(entries: Iterable[str]) -> EncryptionKeys:
    """A keys from entries of the form `id:base64-of-32-bytes`.

    Raises:
        BadEncryptionKeys: When an entry makes no sense.
    """
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(entries, start=1):
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise BadEncryptionKeys(f"entry {number} is not of the form `id:base64-of-32-bytes`")
        key_id = match["id"]
        if key_id in keys:
            raise BadEncryptionKeys(f"the key {key_id!r} is there twice")
        keys[key_id] = _key(key_id, match["key"])
    return EncryptionKeys(keys.items())


def new_key(key_id: str) -> str:
    """An entry with a new random key."""
    return f"{key_id}:{b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def _key(key_id: str, text: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BadEncryptionKeys(f"the key {key_id!r} is not the base64 of {KEY_BYTES} bytes")
    return key


def _cipher(key: bytes) -> AESGCM:
    # Who has no keys has no use for it, and it takes long to import.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)
