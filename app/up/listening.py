"""The API's listening sockets: opened by `tocsin up`, one for each of its API processes.

They share one port (SO_REUSEPORT), and the kernel spreads connections over them; those of a process
that starts anew wait for it.
"""

from __future__ import annotations

import os
import socket

VARIABLE = "TOCSIN_LISTEN_FD"
BACKLOG = 2_048


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """Listen on an address, `count` times.

    Raises:
        OSError: When the port is in use, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without SO_REUSEPORT, a port that somebody else shares counts as in use too.
    with socket.create_server((host, port), family=family):
        pass
    return [
        socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True)
        for _ in range(count)
    ]


def inherited_socket() -> socket.socket | None:
    """The socket that a supervisor opened for this process, if one did."""
    descriptor = os.environ.pop(VARIABLE, None)
    return None if descriptor is None else socket.socket(fileno=int(descriptor))
