"""Free TCP ports for servers."""

from __future__ import annotations

import errno
import itertools
import os
import socket
from dataclasses import dataclass

# Below what systems hand out to clients: a client cannot take a server's port while it restarts.
FIRST, COUNT = 20_000, 10_000

_tries = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports to listen on; None means any free one."""

    primary: int | None = None
    replica: int | None = None
    valkey: int | None = None


def free_port() -> int:
    """Find a port that nothing listens on.

    Every process looks through its own stretch first, so that two that start at the same
    moment do not pick the same.
    """
    for step in itertools.islice(_tries, COUNT):
        port = FIRST + (os.getpid() * 200 + step) % COUNT
        if is_free("127.0.0.1", port):
            return port
    raise OSError(errno.EADDRINUSE, "No free port from 20000 to 29999")


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on this port now. Raises OSError for a useless host."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True
