"""Traces, where `OTEL_*` variables ask for them; elsewhere `storage.tracing.otel` is not even imported.

Whoever has something to tell asks for `active()` and is given None where there is nobody to tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.tracing.otel import Tracing

_SWITCHES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_active: Tracing | None = None


class TracingError(Exception):
    """Traces are asked for that cannot be made; says what to do."""


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether traces are to be made: an exporter or an address for them is set."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "")
    return exporter != "none" and bool(exporter or any(map(environment.get, _SWITCHES)))


def begin(process: str, environment: Mapping[str, str]) -> None:
    """Make traces from now on, if they are wanted.

    Args:
        process: Which of Tocsin's this is; `OTEL_SERVICE_NAME` may say otherwise.

    Raises:
        TracingError: When what makes them is not installed, or the exporter is none.
    """
    global _active  # noqa: PLW0603 (like the log: one a process)
    if not is_wanted(environment):
        return
    try:
        from storage.tracing.otel import Tracing  # noqa: PLC0415
    except ImportError:
        raise TracingError(
            "OTEL_* variables ask for traces: install tocsin[otel], or unset them."
        ) from None
    _active = Tracing(process, environment)


def active() -> Tracing | None:
    """What makes traces, if anything does."""
    return _active
