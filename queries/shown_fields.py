"""Some fields of what is encoded already."""

from __future__ import annotations

import msgspec

from storage.jobs import encode

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def selected(encoded: bytes | msgspec.Raw, fields: tuple[str, ...]) -> bytes:
    """Those fields of an encoded object, in that order."""
    values = _decode(encoded)
    return encode({field: values[field] for field in fields})
