"""The tuning of a dispatcher process."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct


class DispatcherConfig(Struct, frozen=True, kw_only=True):
    """One process's tuning. The defaults are for production; tests pass their own values.

    Attributes:
        lead: How long before its due instant a run is dispatched.
        claim_seconds: How often due jobs are claimed without a wake-up.
        gather_seconds: Runs due within so long are dispatched in one message.
        buffer_size: Claimed runs that are kept; a full buffer claims no more.
        full_poll_seconds: Poll interval while the message queue is full.
        catch_up_depth: While more messages wait, no late jobs are claimed.
        retry_seconds: Pause after Redis did not answer.
        resend_seconds: How often lost messages are looked for.
        rescue_seconds: How often runs of dead processes are looked for.
        backfill_seconds: How often backfills are continued.
        gauge_seconds: How often the servers' gauges are measured.
        rest_factor: A sweep rests at least 5 times as long as it took, so that it is rarer where it
            finds much.
        calendar_seconds: How often changed calendars are looked for.
    """

    lead: timedelta = timedelta(milliseconds=800)
    claim_seconds: float = 0.5
    gather_seconds: float = 0.05
    buffer_size: int = 100_000
    full_poll_seconds: float = 0.02
    catch_up_depth: int = 4
    retry_seconds: float = 0.25
    resend_seconds: float = 0.25
    rescue_seconds: float = 1.0
    backfill_seconds: float = 1.0
    gauge_seconds: float = 2.0
    rest_factor: float = 5.0
    calendar_seconds: float = 1.0


DEFAULTS = DispatcherConfig()
