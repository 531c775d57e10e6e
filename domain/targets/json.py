"""JSON of the service's own, which is passed on as it was sent."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

Json = Annotated[msgspec.Raw, Meta(description="Any JSON", extra_json_schema={})]


def kept(value: msgspec.Raw | UnsetType) -> msgspec.Raw | UnsetType:
    """A copy: what was decoded points into the whole request's buffer."""
    return value.copy() if isinstance(value, msgspec.Raw) else UNSET
