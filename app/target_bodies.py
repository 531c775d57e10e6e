"""Targets as clients send them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from app.durations import Duration, duration_of
from domain.targets.actor import ActorTarget
from domain.targets.http import HttpTarget
from domain.targets.timeout import DEFAULT_TIMEOUT

HeaderValue = Annotated[str, Meta(extra_json_schema={"maxLength": 4_096})]
Json = Annotated[
    msgspec.Raw,
    Meta(description="Any JSON; a string is delivered as plain text", extra_json_schema={}),
]


class HttpTargetBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"
):
    """An HTTP request to make."""

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
            body=_own(self.body),
            timeout=duration_of(self.timeout, "/timeout"),
        )


class ActorTargetBody(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="actor"
):
    """A Dramatiq actor to run; the operator says which there are."""

    actor: Annotated[str, Meta(min_length=1, max_length=128, examples=["log"])]
    payload: (
        Annotated[msgspec.Raw, Meta(description="Any JSON", extra_json_schema={})] | UnsetType
    ) = UNSET
    timeout: Duration = DEFAULT_TIMEOUT

    def target(self) -> ActorTarget:
        """The target.

        Raises:
            Invalid: With a pointer into this body.
        """
        return ActorTarget(
            actor=self.actor,
            payload=_own(self.payload),
            timeout=duration_of(self.timeout, "/timeout"),
        )


TargetBody = HttpTargetBody | ActorTargetBody


def _own(value: Any) -> Any:
    # Raw points into the request's buffer; a copy lets go of it.
    return value.copy() if isinstance(value, msgspec.Raw) else UNSET
