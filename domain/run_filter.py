"""Which runs a bulk command or a list is about."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from domain.run import RunState, Trigger


class RunFilter(Struct, frozen=True, kw_only=True):
    """What is set narrows the choice.

    Attributes:
        states: One of them must match, if there are any.
        status_codes: What the last attempt was answered: one of them.
        tags: Of the job as it is now; all of them must match.
        since: The earliest fire time.
        before: The first fire time behind the range.
    """

    states: tuple[RunState, ...] = ()
    trigger: Trigger | None = None
    job_id: UUID | None = None
    backfill_id: UUID | None = None
    status_codes: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None

    @property
    def identity(self) -> dict[str, object]:
        """What tells lists apart; as processes of earlier versions write it, if they can."""
        fields = asdict(self)
        states = fields.pop("states")
        new = {name: fields.pop(name) for name in ("backfill_id", "status_codes", "tags")}
        state = states[0] if len(states) == 1 else states or None
        return {"state": state, **fields, **{name: one for name, one in new.items() if one}}
