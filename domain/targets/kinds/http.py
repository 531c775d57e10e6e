"""An HTTP request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from yarl import URL

from domain.durations import Duration, duration_of, written
from domain.errors import Invalid, within
from domain.targets.egress import Egress
from domain.targets.json import Json, kept
from domain.targets.kinds.kind import TargetKind
from domain.targets.secrets import Reference, in_header, references
from domain.targets.timeout import DEFAULT_TIMEOUT, check_timeout
from domain.targets.tls import Tls, TlsBody
from domain.targets.url import check_egress, check_url

HeaderValue = Annotated[str, Meta(extra_json_schema={"maxLength": 4_096})]

BODILESS = frozenset({"GET", "HEAD", "DELETE"})
"""Methods that have a body only where a target says so."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
# What Tocsin or the connection itself says.
_RESERVED = re.compile(
    r"webhook-.*|tocsin-.*|traceparent|host|connection|content-length|transfer-encoding|te|trailer"
    r"|upgrade|expect|keep-alive|proxy-.*",
    re.IGNORECASE,
)
_UP_TO_PATH = re.compile(r"[^/?#]*//[^/?#]*")


class HttpTarget(TargetKind, frozen=True, kw_only=True, tag="http"):
    """An HTTP request.

    Attributes:
        body: JSON exactly as the service sent it; a JSON string is delivered as plain text, and an
            empty one not at all. Without any, `{}` is sent if the method has a body.
        timeout: Bound on one attempt, from connecting to the last byte that is read.
        tls: How the target is known, if not by the authorities that everybody trusts.
    """

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}  # noqa: RUF012 (msgspec copies it)
    body: Json | UnsetType = UNSET
    timeout: timedelta = DEFAULT_TIMEOUT
    tls: Tls | UnsetType = UNSET

    payload_field: ClassVar[str] = "body"

    @property
    def reached(self) -> str:
        """The origin of its URL."""
        return origin_of(self.url)

    def check(self, allowed: Egress | None) -> None:
        """Refuse what could never be rung.

        Args:
            allowed: Where targets may lie; without it, that is not looked at.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        check_url(self.url)
        self._check_headers()
        check_timeout(self.timeout)
        if isinstance(self.tls, Tls):
            with within("/tls"):
                self.tls.check(self.url)
        if allowed is not None:
            check_egress(self.url, allowed)

    def references(self) -> Iterator[Reference]:
        """The secrets that headers and body refer to.

        Raises:
            Invalid: With a pointer to a reference that is malformed.
        """
        for name, value in self.headers.items():
            yield from references(value, _pointer(name))
        yield from super().references()

    def with_secrets(self, values: Mapping[str, str]) -> HttpTarget:
        """The target with values in place of references.

        Raises:
            Invalid: When it gets too long, or a header cannot be sent.
        """
        headers = {
            name: in_header(value, values, _pointer(name)) for name, value in self.headers.items()
        }
        return msgspec.structs.replace(super().with_secrets(values), headers=headers)

    @property
    def sends_nothing(self) -> bool:
        """Whether a request has no body."""
        if isinstance(self.body, msgspec.Raw):
            return bytes(self.body) == b'""'
        return self.method in BODILESS

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            pointer = _pointer(name)
            if not _HEADER_NAME.fullmatch(name):
                raise Invalid(
                    "A header's name is made of letters, digits and !#$%&'*+-.^_`|~.", pointer
                )
            if _RESERVED.fullmatch(name):
                raise Invalid("This header is set by Tocsin; leave it out.", pointer)
            if not _HEADER_VALUE.fullmatch(value):
                raise Invalid(
                    "A header's value is at most 4,096 printable ASCII characters.", pointer
                )


class HttpTargetBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"
):
    """An HTTP request to make; a body that is a JSON string is delivered as plain text. Without
    one, POST, PUT and PATCH send `{}`; with the string `""`, nothing.
    """

    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2_048,
            extra_json_schema={"format": "uri", "examples": ["https://example.com/run"]},
        ),
    ]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: Annotated[dict[str, HeaderValue], Meta(max_length=50)] = {}
    body: Json | UnsetType = UNSET
    timeout: Duration = written(DEFAULT_TIMEOUT)
    tls: TlsBody | UnsetType = UNSET

    def target(self) -> HttpTarget:
        """The target.

        Raises:
            Invalid: With a pointer into this body.
        """
        return HttpTarget(
            url=self.url,
            method=self.method,
            headers=self.headers,
            body=kept(self.body),
            timeout=duration_of(self.timeout, "/timeout"),
            tls=UNSET if isinstance(self.tls, UnsetType) else Tls(ca=self.tls.ca),
        )


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked (RFC 6454): the usual port is left out."""
    found = _UP_TO_PATH.match(url)
    return _origin_of(found[0] if found else url)


@lru_cache(maxsize=10_000)  # URLs differ in what follows
def _origin_of(url: str) -> str:
    try:
        return str(URL(url).origin())
    except ValueError:
        return url  # it cannot be rung, which the attempt will tell


def _pointer(header: str) -> str:
    return "/headers/" + header.replace("~", "~0").replace("/", "~1")
