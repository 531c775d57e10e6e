"""An HTTP request."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from yarl import URL

from domain.durations import Duration, duration_of
from domain.errors import Invalid
from domain.targets.json import Json, kept
from domain.targets.timeout import DEFAULT_TIMEOUT, check_timeout

HeaderValue = Annotated[str, Meta(extra_json_schema={"maxLength": 4_096})]

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]{0,4096}")
# What Tocsin or the connection itself says.
_RESERVED = re.compile(
    r"webhook-.*|tocsin-.*|traceparent|host|connection|content-length|transfer-encoding|te|trailer"
    r"|upgrade|expect|keep-alive|proxy-.*",
    re.IGNORECASE,
)
_UP_TO_PATH = re.compile(r"[^/?#]*//[^/?#]*")


class HttpTarget(Struct, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """An HTTP request.

    Attributes:
        body: JSON exactly as the service sent it; a JSON string is delivered as plain text.
        timeout: Bound on one attempt, from connecting to the last byte that is read.
    """

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}
    body: Json | UnsetType = UNSET
    timeout: timedelta = DEFAULT_TIMEOUT

    payload_field: ClassVar[str] = "body"

    @property
    def payload_bytes(self) -> int:
        """How much is sent."""
        return 0 if isinstance(self.body, UnsetType) else len(bytes(self.body))

    def check(self) -> None:
        """Refuse what could never be rung.

        Raises:
            Invalid: With a pointer to the value at fault.
        """
        _check_url(self.url)
        for name, value in self.headers.items():
            pointer = "/headers/" + name.replace("~", "~0").replace("/", "~1")
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
        check_timeout(self.timeout)


class HttpTargetBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"
):
    """An HTTP request to make; a body that is a JSON string is delivered as plain text."""

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
    timeout: Duration = DEFAULT_TIMEOUT

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


def _check_url(text: str) -> None:
    try:
        url = URL(text)
        known = url.scheme in ("http", "https") and url.host and url.port
    except ValueError:
        known = False
    if not known or re.search(r"[\x00-\x20\x7f]", text):
        raise Invalid("The URL must be absolute, such as 'https://example.com/run'.", "/url")
    if url.raw_user is not None or url.raw_password is not None:
        raise Invalid("Put credentials into a header, not into the URL.", "/url")
