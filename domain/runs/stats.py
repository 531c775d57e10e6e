"""What statistics tell of ended runs."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from domain.runs.run import RunState
from domain.runs.sketch import Percentiles

ENDS = (
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.CANCELLED,
    RunState.SKIPPED_OVERLAP,
    RunState.MISSED,
)


class Stats(Struct, frozen=True, kw_only=True):
    """Attributes:
    counts: Runs by how they ended, all of `ENDS`.
    lateness: Of runs that began; None when there is none.
    overlap_wait: Of runs that waited for their turn; None when there is none.
    duration: Of runs that succeeded or failed, from the start of the first attempt to the end of
        the last.
    updated_at: When a run was counted last; None when none was.
    """

    counts: dict[RunState, int]
    lateness: Percentiles | None
    overlap_wait: Percentiles | None
    duration: Percentiles | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    updated_at: datetime | None

    @property
    def success_rate(self) -> float | None:
        """The share of those that succeeded among those that succeeded or failed."""
        succeeded = self.counts[RunState.SUCCEEDED]
        judged = succeeded + self.counts[RunState.FAILED]
        return succeeded / judged if judged else None
