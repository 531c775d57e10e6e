"""Windows of time that statistics are asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from app.requests.instants import utc_parameter
from app.responses.problems import BadParameter

_FIRST = datetime.min.replace(tzinfo=UTC)


class Grain(Struct, frozen=True, kw_only=True):
    """How finely statistics are kept.

    Attributes:
        bucket: What is counted together: a window is widened to whole ones.
        default: How long a window is whose start is left out.
        longest: How long one may be.
    """

    bucket: timedelta
    default: timedelta
    longest: timedelta

    def window(
        self, start: datetime | None, end: datetime | None, now: datetime
    ) -> tuple[datetime, datetime]:
        """The window `[start, end)` of whole buckets that a query's `from` and `to` ask about.

        Raises:
            BadParameter: When they are out of range, the wrong way round, or too far apart.
        """
        until = now if end is None else utc_parameter(end, "to")
        if start is not None:
            since = utc_parameter(start, "from")
        else:
            since = max(until, _FIRST + self.default) - self.default
        if since >= until:
            raise BadParameter("from", "The window must start before it ends.")
        if until - since > self.longest:
            raise BadParameter("from", f"A window may have {self.longest.days} days at most.")
        try:
            return self._floor(since), self._floor(until + self.bucket - timedelta.resolution)
        except OverflowError:
            raise BadParameter("to", "The instant is out of range.") from None

    def _floor(self, instant: datetime) -> datetime:
        return instant - (instant - _FIRST) % self.bucket
