"""Lists of runs as clients ask for them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from app.instants import utc_or_none
from app.job_lists import tags_of
from app.list_cursors import cursor_behind, list_of, place_behind
from app.problems import BadParameter
from app.schemas.runs import ListedRunResource, RunPage
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

States = Annotated[
    list[RunState] | None,
    QueryParameter(
        name="state", max_items=len(RunState), description="As runs show it; may be repeated"
    ),
]
Triggered = Annotated[Trigger | None, QueryParameter(description="What made the run")]
Backfill = Annotated[UUID | None, QueryParameter(description="The backfill that made the run")]
Tags = Annotated[
    list[str] | None,
    QueryParameter(
        max_items=20, description="Tags that the run's job has now; repeated, all must match"
    ),
]
StatusCodes = Annotated[
    list[int] | None,
    QueryParameter(
        max_items=20,
        description="Status that the last attempt was answered with, such as 503; may be repeated",
    ),
]
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
            items=[ListedRunResource.told(run, found.told[run.id]) for run in found.runs],
            next_cursor=cursor_behind(found.more, self._name),
        )

    @property
    def _name(self) -> bytes:
        return list_of("runs", *self)


def chosen_runs(
    *,
    states: list[RunState] | None,
    trigger: Trigger | None,
    job_id: UUID | None,
    backfill_id: UUID | None,
    status_codes: list[int] | None,
    tags: list[str] | None,
    since: datetime | None,
    before: datetime | None,
) -> RunFilter:
    """The filter.

    Raises:
        BadParameter: When a value makes no sense.
    """
    if not all(100 <= code <= 599 for code in status_codes or ()):
        raise BadParameter("status_code", "A status code is a number from 100 to 599.")
    return RunFilter(
        states=tuple(sorted(set(states or ()))),
        trigger=trigger,
        job_id=job_id,
        backfill_id=backfill_id,
        status_codes=tuple(sorted(set(status_codes or ()))),
        tags=tags_of(tags or []),
        since=utc_or_none(since, "since"),
        before=utc_or_none(before, "before"),
    )
