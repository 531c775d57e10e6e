"""Where a URL leads."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct
from yarl import URL


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


@lru_cache(maxsize=10_000)
def address_of(url: str) -> Address:
    """The address of a URL that was checked.

    Raises:
        ValueError: When it is none after all.
    """
    parsed = URL(url)
    host, port, authority = parsed.raw_host, parsed.port, parsed.host_port_subcomponent
    if not host or not port or not authority or parsed.scheme not in {"http", "https"}:
        raise ValueError(f"{url!r} is no absolute http or https URL.")
    return Address(parsed.scheme == "https", host, port, authority, parsed.raw_path_qs)
