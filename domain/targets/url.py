"""URLs that can be rung: those that every program reads the same way."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from yarl import URL

from domain.errors import Invalid
from domain.targets.egress import Egress
from domain.targets.secrets import MARK

_ENCODED = re.compile(r"[\x00-\x20\x7f]")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# What the resolver would take for a number, and so for an address: 127.1, 0x7f000001, 2130706433.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LONGEST_HOST = 253


def check_url(text: str) -> None:
    """Refuse a URL that is not absolute, or that not everybody reads alike.

    Raises:
        Invalid: With a pointer to `url`.
    """
    url = _parsed(text)
    if _ENCODED.search(text):
        raise Invalid(
            "Spaces and control characters must be percent-encoded in a URL: %20 is a space.",
            "/url",
        )
    if url is None:
        raise Invalid("The URL must be absolute, such as 'https://example.com/run'.", "/url")
    authority = urlsplit(text).netloc
    if "@" in authority:
        raise Invalid("Put credentials into a header, not into the URL.", "/url")
    if MARK in text:
        raise Invalid("A URL is shown and logged: put secrets into a header or the body.", "/url")
    if not _is_host(url.raw_host or "", bracketed="[" in authority):
        raise Invalid(
            "The URL's host must be a name, an IPv4 address as four decimal numbers, or an IPv6 "
            "address in brackets, without a zone.",
            "/url",
        )


def check_egress(text: str, egress: Egress) -> None:
    """Refuse a URL whose host says already that it may not be called.

    Raises:
        Invalid: With a pointer to `url`.
    """
    host = URL(text).raw_host or ""
    if egress.denies_host(host) or (_is_address(host) and not egress.permits(host)):
        raise Invalid("The operator of this installation does not allow this host.", "/url")


def _parsed(text: str) -> URL | None:
    try:
        url = URL(text)
        known = url.scheme in {"http", "https"} and url.raw_host and url.port
    except ValueError:
        return None
    return url if known else None


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed:
        return _is_address(host) and "%" not in host
    if _is_address(host):
        return True
    labels = host.removesuffix(".").split(".")
    named = all(_LABEL.fullmatch(label) for label in labels) and len(host) <= _LONGEST_HOST
    return named and _NUMBER.fullmatch(labels[-1]) is None


@lru_cache(10_000)
def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
