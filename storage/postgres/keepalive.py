"""Ends connections whose other end is silent: a host that vanished closes nothing."""

from __future__ import annotations

import socket
from typing import Any

IDLE_SECONDS, INTERVAL_SECONDS, PROBES = 5, 3, 3
SILENT_SECONDS = IDLE_SECONDS + INTERVAL_SECONDS * PROBES
"""An end that acknowledges nothing for so long is gone. So is one that is stopped while its full
buffer takes nothing more: its kernel answers, but TCP_USER_TIMEOUT reckons what is not taken."""
IN_TRANSACTION_SECONDS = 5
"""No process of ours pauses so long between two statements. One that does has stopped or is lost,
and its locked jobs fire nowhere: so this is less than a heartbeat's lapse and the look-ahead.
"""

SERVER_SIDE = {
    "tcp_keepalives_idle": str(IDLE_SECONDS),
    "tcp_keepalives_interval": str(INTERVAL_SECONDS),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(SILENT_SECONDS * 1_000),
}
"""What Postgres is to do at its end of a session of ours."""

# macOS calls the first by another name, and has not the last.
_OPTIONS = {
    "TCP_KEEPIDLE": IDLE_SECONDS,
    "TCP_KEEPALIVE": IDLE_SECONDS,
    "TCP_KEEPINTVL": INTERVAL_SECONDS,
    "TCP_KEEPCNT": PROBES,
    "TCP_USER_TIMEOUT": SILENT_SECONDS * 1_000,
}
OPTIONS: dict[int, int] = {
    getattr(socket, name): value for name, value in _OPTIONS.items() if hasattr(socket, name)
}
"""What our kernel is to do at our end, by number of the TCP option."""


def keep_alive(connection: Any) -> None:
    """Have the kernel find out when the server of an asyncpg connection is silent."""
    opened = connection._transport.get_extra_info("socket")  # noqa: SLF001 (see tests/contracts)
    if opened is None or opened.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in OPTIONS.items():
        opened.setsockopt(socket.IPPROTO_TCP, option, value)
