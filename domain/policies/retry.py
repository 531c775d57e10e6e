"""When a failed attempt is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from msgspec import Struct

from domain.errors import Invalid

MAX_ATTEMPTS = 100
MAX_BACKOFF = timedelta(days=1)
MAX_RETRY_DURATION = timedelta(days=30)


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Exponential backoff between bounds, with full jitter or none.

    Attributes:
        max_attempts: Attempts in all, the first included.
        min_backoff: Delay after the first failed attempt.
        max_backoff: No delay is longer.
        multiplier: Growth of the delay from one attempt to the next.
        jitter: Whether a delay is drawn between zero and its full length.
        max_retry_duration: No attempt begins later than so long after the first one began.
        pause_on_failure: Whether the job is paused when a run has failed for good.
    """

    max_attempts: int = 5
    min_backoff: timedelta = timedelta(seconds=5)
    max_backoff: timedelta = timedelta(minutes=5)
    multiplier: float = 2.0
    jitter: bool = True
    max_retry_duration: timedelta | None = None
    pause_on_failure: bool = False

    def delay_after(
        self,
        attempt: int,
        *,
        draw: float,
        elapsed: timedelta = timedelta(0),
        retry_after: timedelta | None = None,
    ) -> timedelta | None:
        """How long to wait after a failed attempt.

        Args:
            attempt: Number of the attempt that failed, from 1.
            draw: Where in the full delay the jitter falls, 0 to 1.
            elapsed: Since the first attempt began.
            retry_after: What the target asked for; honoured up to `max_backoff`.

        Returns:
            The delay, or None when the attempts or the time for them are used up.
        """
        if attempt >= self.max_attempts:
            return None
        delay = self._backoff(attempt, draw)
        if retry_after is not None:
            delay = min(max(delay, retry_after), self.max_backoff)
        if self.max_retry_duration is not None and elapsed + delay > self.max_retry_duration:
            return None
        return delay

    def _backoff(self, attempt: int, draw: float) -> timedelta:
        first, ceiling = self.min_backoff.total_seconds(), self.max_backoff.total_seconds()
        try:
            full = min(first * self.multiplier ** (attempt - 1), ceiling)
        except OverflowError:
            full = ceiling if first else 0.0
        return timedelta(seconds=full * draw if self.jitter else full)


def check_retry(policy: RetryPolicy) -> None:
    """Refuse a policy whose bounds contradict each other.

    Raises:
        Invalid: With a pointer to the value at fault.
    """
    if faults := list(_faults(policy)):
        raise Invalid(faults[0].detail, faults[0].pointer, faults[1:])


def _faults(policy: RetryPolicy) -> Iterator[Invalid]:
    if not 1 <= policy.max_attempts <= MAX_ATTEMPTS:
        yield Invalid(
            f"The number of attempts must be from 1 to {MAX_ATTEMPTS}, such as 5.", "/max_attempts"
        )
    if not timedelta(0) <= policy.min_backoff <= MAX_BACKOFF:
        yield Invalid("The backoff must be between 0 seconds and 1 day: PT5S.", "/min_backoff")
    elif not policy.min_backoff <= policy.max_backoff <= MAX_BACKOFF:
        yield Invalid("The backoff must be between min_backoff and 1 day: PT5M.", "/max_backoff")
    if not 1 <= policy.multiplier <= 100:
        yield Invalid("The multiplier must be from 1 to 100, such as 2.", "/multiplier")
    longest = policy.max_retry_duration
    if longest is not None and not timedelta(0) <= longest <= MAX_RETRY_DURATION:
        yield Invalid(
            "The time for retries must be between 0 seconds and 30 days, such as PT1H.",
            "/max_retry_duration",
        )
