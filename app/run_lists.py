"""Lists of runs as clients ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from app.instants import utc_or_none
from app.list_cursors import cursor_behind, list_of, place_behind
from app.resources import RunPage, RunResource
from domain.caller import Caller
from domain.job_filter import Order
from domain.run import RunState, Trigger
from domain.run_filter import RunFilter
from queries.run_pages import RunPage as RunRows
from queries.run_pages import RunQuery

DESCRIPTION = """
A page shows what it finds within a bounded look: it may be short, even empty, and still have a
`next_cursor` with which the list goes on. A cursor belongs to the filters and the order that it
was made for.
"""

State = Annotated[RunState | None, QueryParameter(name="state", description="As runs show it")]
Triggered = Annotated[Trigger | None, QueryParameter(description="What made the run")]
Since = Annotated[datetime | None, QueryParameter(description="Fire times from here on, RFC 3339")]
Before = Annotated[datetime | None, QueryParameter(description="Fire times before this, RFC 3339")]
Direction = Annotated[Order, QueryParameter(description="`desc` shows the newest fire time first")]


class RunList(NamedTuple):
    """A list of runs.

    Attributes:
        kind: What tells it from lists of the same runs.
    """

    kind: str
    chosen: RunFilter
    order: Order

    def query(self, caller: Caller, limit: int, cursor: str | None, now: datetime) -> RunQuery:
        """What asks for a page.

        Raises:
            BadParameter: When the cursor is of another list.
        """
        shown_from = caller.limits.history_start(now)
        since = max(self.chosen.since or shown_from, shown_from)
        first = RunQuery(
            service_id=caller.service_id,
            chosen=msgspec.structs.replace(self.chosen, since=since),
            order=self.order,
            limit=limit,
            after=None,
        )
        place = place_behind(cursor, self._name, UUID if first.by_id else int)
        return msgspec.structs.replace(first, after=place)

    def page(self, found: RunRows) -> RunPage:
        """The page as clients see it."""
        return RunPage(
            items=[RunResource.of(run) for run in found.runs],
            next_cursor=cursor_behind(found.more, self._name),
        )

    @property
    def _name(self) -> bytes:
        return list_of("runs", *self)


def chosen_runs(
    state: RunState | None,
    trigger: Trigger | None,
    job_id: UUID | None,
    since: datetime | None,
    before: datetime | None,
) -> RunFilter:
    """The filter.

    Raises:
        BadParameter: When an instant makes no sense.
    """
    return RunFilter(
        state=state,
        trigger=trigger,
        job_id=job_id,
        since=utc_or_none(since, "since"),
        before=utc_or_none(before, "before"),
    )
