"""Which runs a bulk command or a list is about."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from domain.errors import Invalid
from domain.filters.filters import Asked, Filter, each_once
from domain.filters.job_filter import MOST_TAGS, tags_asked_for
from domain.runs.run import RunState, Trigger


def _status_codes(codes: list[int]) -> tuple[int, ...]:
    if not all(100 <= code <= 599 for code in codes):
        raise Invalid("A status code is a number from 100 to 599.")
    return each_once(codes)


class RunFilter(Filter, frozen=True, kw_only=True):
    """Which runs are meant.

    Attributes:
        states: One of them must match, if there are any.
        status_codes: What the last attempt was answered: one of them.
        tags: Of the job as it is now; all of them must match.
        since: The earliest fire time.
        before: The first fire time behind the range.
    """

    first_fields = frozenset({"trigger", "job_id", "since", "before"})

    states: Annotated[
        tuple[RunState, ...],
        Asked(
            name="state",
            told="As runs show it; may be repeated",
            most=len(RunState),
            read=each_once,
        ),
    ] = ()
    trigger: Annotated[Trigger | None, Asked(told="What made the run")] = None
    backfill_id: Annotated[UUID | None, Asked(told="The backfill that made the run")] = None
    status_codes: Annotated[
        tuple[int, ...],
        Asked(
            name="status_code",
            told="Status that the last attempt was answered with, such as 503; may be repeated",
            most=20,
            read=_status_codes,
        ),
    ] = ()
    tags: Annotated[
        tuple[str, ...],
        Asked(
            name="tag",
            told="Tags that the run's job has now; repeated, all must match",
            most=MOST_TAGS,
            read=tags_asked_for,
        ),
    ] = ()
    job_id: Annotated[UUID | None, Asked()] = None
    since: Annotated[datetime | None, Asked(told="Fire times from here on, RFC 3339")] = None
    before: Annotated[datetime | None, Asked(told="Fire times before this, RFC 3339")] = None
