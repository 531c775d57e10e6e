"""Where a page of a list ended, so that the next one begins behind it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct


class Place(Struct, frozen=True, kw_only=True):
    """Behind a row, which need not exist any more.

    Attributes:
        at: What the row is sorted by; None where that is its id, or where the row has none.
        id: Of the row; or a run's generation, in the list of one job's runs.
    """

    at: datetime | None
    id: UUID | int
