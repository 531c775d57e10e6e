"""Which jobs a list shows, and in which order."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import asdict

from domain.job import JobState


class JobSort(StrEnum):
    """What jobs are sorted by."""

    CREATED = "created"
    UPDATED = "updated"
    NEXT_FIRE = "next_fire"
    """Those that will not fire come last in either order."""
    LAST_RUN = "last_run"
    """The fire time of the latest run, newest first; those that never ran come last."""


class Order(StrEnum):
    """Which end of a list comes first."""

    ASC = "asc"
    DESC = "desc"


class JobFilter(Struct, frozen=True, kw_only=True):
    """What is set narrows the choice.

    Attributes:
        states: One of them must match, if there are any.
        tags: All of them must match.
        words: Each must begin a word of the name, the description or a tag.
        next_fire_after: The earliest next fire time.
        next_fire_before: The first instant behind the window.
    """

    states: tuple[JobState, ...] = ()
    tags: tuple[str, ...] = ()
    name_prefix: str | None = None
    target_host: str | None = None
    next_fire_after: datetime | None = None
    next_fire_before: datetime | None = None
    words: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, object]:
        """What tells lists apart; as processes of earlier versions write it, if they can."""
        fields = asdict(self)
        states = fields.pop("states")
        return {"state": states[0] if len(states) == 1 else states or None, **fields}

    @property
    def has_terms(self) -> bool:
        """Whether jobs are chosen by what their services call them."""
        named = self.name_prefix is not None or self.target_host is not None
        return named or bool(self.tags) or bool(self.words)

    @property
    def moves(self) -> bool:
        """Whether jobs come and go without anybody changing them."""
        return bool(self.states) or self.has_window

    @property
    def has_window(self) -> bool:
        """Whether the next fire time is bounded."""
        return self.next_fire_after is not None or self.next_fire_before is not None


class JobOrder(Struct, frozen=True, kw_only=True):
    """How a list is sorted; without an order, as people look for it: newest or soonest first."""

    sort: JobSort = JobSort.CREATED
    order: Order | None = None

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        if self.order is None:
            return self.sort is not JobSort.NEXT_FIRE
        return self.order is Order.DESC

    @property
    def moves(self) -> bool:
        """Whether jobs change places without anybody changing them."""
        return self.sort in (JobSort.NEXT_FIRE, JobSort.LAST_RUN)
