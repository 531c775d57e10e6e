"""The tuning of the HTTP client that rings targets."""

from __future__ import annotations

from msgspec import Struct


class TransportConfig(Struct, frozen=True, kw_only=True):
    """One process's tuning. The defaults are for production; tests pass their own values.

    Attributes:
        look_up_seconds: How long a look-up of a name takes at most.
        kept_seconds: How long the addresses of a name are kept.
        kept_failure_seconds: How long a failed look-up is kept.
        look_ups_of_a_service: Names of a service that are looked up at once; others wait for
            `look_up_seconds`.
        stream_seconds: A service has one look-up by TCP in so long.
        crossing_seconds: A kept connection that is closed so soon after a request, without a byte
            of an answer, was closed before the request came: it is sent once more on a new one
            (RFC 9112, 9.3.1). The target can tell by its `webhook-id`. A connection closed later
            was at work, and the retry policy decides.
        keep_alive_seconds: How long a connection waits for its next use.
        greatest_age_seconds: The age at which a connection is closed, so that a name that has moved
            is followed however often it is rung.
        discard_at_once_seconds: A service may be ahead of its rate of discarding by so long.
        context_pause_seconds: A service has one TLS context made in so long, which takes a tenth of
            the event loop's time at most.
    """

    look_up_seconds: float = 5.0
    kept_seconds: float = 10.0
    kept_failure_seconds: float = 5.0
    look_ups_of_a_service: int = 32
    stream_seconds: float = 1.0
    crossing_seconds: float = 1.0
    keep_alive_seconds: float = 30
    greatest_age_seconds: float = 120
    discard_at_once_seconds: float = 1 / 16
    context_pause_seconds: float = 0.05


DEFAULTS = TransportConfig()
