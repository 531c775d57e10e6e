"""Which runs a bulk command or a list is about."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.run import RunState, Trigger


class RunFilter(Struct, frozen=True, kw_only=True):
    """What is set narrows the choice.

    Attributes:
        since: The earliest fire time.
        before: The first fire time behind the range.
    """

    state: RunState | None = None
    trigger: Trigger | None = None
    job_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None
