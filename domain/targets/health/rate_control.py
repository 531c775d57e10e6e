"""How fast a target is rung: slowed when it has too much, quickened while it takes what it gets."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

MAX_CONCURRENCY = 512
MIN_CONCURRENCY = 1
MAX_RATE = 500.0
"""A second; whoever takes as much is not limited any more."""
MIN_RATE = 1.0
SLOW_DOWN = 0.5
"""Concurrency and rate are multiplied by it, once for all attempts that were under way."""
QUICKEN = 10.0
"""So much is added to the rate in a second in which all attempts are taken."""
BURST = timedelta(milliseconds=100)
"""Attempts that are due together may begin together, up to so much ahead of the rate."""
LONGEST_REST = timedelta(minutes=5)
"""A target that asks to be left alone for longer is tried after this."""


class RateControl(Struct, frozen=True, kw_only=True):
    """What one target is given at most.

    Attributes:
        concurrency: Attempts under way at once.
        rate: Attempts a second; None is no limit.
        slowed_at: When it was slowed last.
        resumes_at: Until then the target asked to be left alone.
    """

    concurrency: int = MAX_CONCURRENCY
    rate: float | None = None
    slowed_at: datetime | None = None
    resumes_at: datetime | None = None

    def slowed(
        self,
        now: datetime,
        *,
        began_at: datetime,
        under_way: int,
        recent_rate: float,
        retry_after: timedelta | None = None,
    ) -> RateControl:
        """The pace after an attempt that was too much for the target.

        Args:
            began_at: When that attempt began. Those that began before the last slow-down tell
                nothing new.
            under_way: Attempts at that moment.
            recent_rate: Attempts a second that were made of late.
            retry_after: What the target asked for.
        """
        resumes_at = self.resumes_at
        if retry_after:
            asked = now + min(retry_after, LONGEST_REST)
            resumes_at = asked if resumes_at is None else max(asked, resumes_at)
        if self.slowed_at is not None and began_at <= self.slowed_at:
            return msgspec.structs.replace(self, resumes_at=resumes_at)
        concurrency = min(self.concurrency, max(under_way, MIN_CONCURRENCY))
        rate = min(MAX_RATE if self.rate is None else self.rate, max(recent_rate, MIN_RATE))
        return RateControl(
            concurrency=max(int(concurrency * SLOW_DOWN), MIN_CONCURRENCY),
            rate=max(rate * SLOW_DOWN, MIN_RATE),
            slowed_at=now,
            resumes_at=resumes_at,
        )

    def quickened(self) -> RateControl:
        """The pace after an attempt that the target took."""
        if self.rate is None:
            return self
        rate = self.rate + QUICKEN / self.rate
        if rate >= MAX_RATE:
            return RateControl(resumes_at=self.resumes_at)
        return msgspec.structs.replace(
            self, concurrency=min(self.concurrency + 1, MAX_CONCURRENCY), rate=rate
        )


FULL = RateControl()
