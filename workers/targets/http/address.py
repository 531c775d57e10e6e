"""Splits the URL of a target into what a request needs."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

import msgspec
from msgspec import Struct
from yarl import URL

_UP_TO_PATH = re.compile(r"[^/?#]*//[^/?#]*")
_NO_ASCII = re.compile(r"[^\x21-\x7e]+")


class Address(Struct, frozen=True):
    """Attributes:
    host: In ASCII, as it is looked up.
    authority: The value of the `Host` header.
    path: With the query, unchanged: another encoding of a character may mean something else to the
        target (RFC 3986, 2.2), or break a signature.
    """

    secure: bool
    host: str
    port: int
    authority: str
    path: str


def address_of(url: str) -> Address:
    """The address of a URL that was checked when its job was stored.

    Raises:
        ValueError: When it is no absolute http or https URL after all.
    """
    found = _UP_TO_PATH.match(url)
    if found is None:
        raise ValueError(f"{url!r} is no absolute http or https URL.")
    # Only scheme and authority are parsed, and cached: the rest differs between URLs of a host.
    return msgspec.structs.replace(_parsed(found[0]), path=_target(url[found.end() :]))


def _target(after_host: str) -> str:
    """The request target (RFC 9112, 3.2.1): all but the fragment."""
    target = after_host.partition("#")[0]
    if not target.startswith("/"):
        target = f"/{target}"
    if _NO_ASCII.search(target) is None:
        return target
    return _NO_ASCII.sub(lambda found: quote(found[0]), target)  # RFC 3987, 3.1


@lru_cache(maxsize=10_000)
def _parsed(url: str) -> Address:
    parsed = URL(url)
    host, port, authority = parsed.raw_host, parsed.port, parsed.host_port_subcomponent
    if not host or not port or not authority or parsed.scheme not in {"http", "https"}:
        raise ValueError(f"{url!r} is no absolute http or https URL.")
    return Address(parsed.scheme == "https", host, port, authority, "/")
