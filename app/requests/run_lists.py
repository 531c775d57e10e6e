"""Lists of runs as clients ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from app.requests.cursors import FilteredCursors
from app.schemas.runs import ListedRunResource, RunPage
from domain.access.caller import Caller
from domain.filters.job_filter import Order
from domain.filters.run_filter import RunFilter
from queries.runs.pages import RunPage as RunRows
from queries.runs.pages import RunQuery

DESCRIPTION = """
A page shows what it finds within a bounded look: it may be short, even empty, and still have a
`next_cursor` with which the list goes on. A cursor belongs to the filters and the order that it
was made for.
"""

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
        place = self._cursors(UUID if first.by_id else int).after(cursor)
        return msgspec.structs.replace(first, after=place)

    def page(self, found: RunRows) -> RunPage:
        """The page as clients see it."""
        return RunPage(
            items=[ListedRunResource.told(run, found.told[run.id]) for run in found.runs],
            next_cursor=self._cursors().behind_or_end(found.more),
        )

    def _cursors(self, row_id: type[UUID | int] = UUID) -> FilteredCursors:
        return FilteredCursors("runs", *self, row_id=row_id)
