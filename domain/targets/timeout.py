"""The bound on one attempt, which every kind of target has."""

from __future__ import annotations

from datetime import timedelta

from domain.errors import Invalid

DEFAULT_TIMEOUT = timedelta(seconds=30)
MIN_TIMEOUT = timedelta(seconds=1)
MAX_TIMEOUT = timedelta(minutes=30)


def check_timeout(timeout: timedelta) -> None:
    """Refuse a bound that is too tight or too loose.

    Raises:
        Invalid: With a pointer to `timeout`.
    """
    if not MIN_TIMEOUT <= timeout <= MAX_TIMEOUT:
        raise Invalid("The timeout must be between 1 second and 30 minutes.", "/timeout")
