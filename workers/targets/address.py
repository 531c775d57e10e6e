"""Where a URL leads."""

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
    host: In ASCII, as it is resolved.
    authority: What the `Host` header says.
    path: With the query, as it stands in the URL: what stands for a character otherwise may
        mean something else to the target (RFC 3986, 2.2), or be signed.
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
    found = _UP_TO_PATH.match(url)
    if found is None:
        raise ValueError(f"{url!r} is no absolute http or https URL.")
    # URLs of one host differ in what follows, which need not be parsed.
    return msgspec.structs.replace(_parsed(found[0]), path=_target(url[found.end() :]))


def _target(after_host: str) -> str:
    """What is asked for (RFC 9112, 3.2.1): all but the fragment."""
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
