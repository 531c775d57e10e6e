"""What one service may use, so that nobody starves a neighbour."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

PerMinute = Annotated[int, Meta(ge=1, le=10_000_000)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A service's limits; an operator sets those that differ from these.

    Attributes:
        reads_per_minute: Requests that read, of the service as a whole.
        writes_per_minute: All other requests of the service.
        user_reads_per_minute: The same of each of its keys and people.
        user_writes_per_minute: The same.
    """

    reads_per_minute: PerMinute = 60_000
    writes_per_minute: PerMinute = 12_000
    user_reads_per_minute: PerMinute = 30_000
    user_writes_per_minute: PerMinute = 6_000
