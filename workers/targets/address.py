"""Where a URL leads."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec
from msgspec import Struct
from yarl import URL

_PLAIN = re.compile(r"(https?://[a-z0-9.:-]+)(/[A-Za-z0-9_~/-]*(?:\?[A-Za-z0-9_~=&-]+)?)")


class Address(Struct, frozen=True):
    """Attributes:
    host: In ASCII, as it is resolved.
    authority: What the `Host` header says.
    path: With the query, as it is asked for.
    """

    secure: bool
    host: str
    port: int
    authority: str
    path: str


def address_of(url: str) -> Address:
    """The address of a URL that was checked.

    Raises:
        ValueError: When it is none after all.
    """
    plain = _PLAIN.fullmatch(url)
    if plain is None:
        return _parsed(url)
    # URLs of one host differ in what follows; where that goes as it is, it need not be parsed.
    return msgspec.structs.replace(_parsed(plain[1]), path=plain[2])


@lru_cache(maxsize=10_000)
def _parsed(url: str) -> Address:
    parsed = URL(url)
    host, port, authority = parsed.raw_host, parsed.port, parsed.host_port_subcomponent
    if not host or not port or not authority or parsed.scheme not in {"http", "https"}:
        raise ValueError(f"{url!r} is no absolute http or https URL.")
    return Address(parsed.scheme == "https", host, port, authority, parsed.raw_path_qs)
