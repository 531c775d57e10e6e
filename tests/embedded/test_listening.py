"""API processes of one supervisor share a port, and nobody else may have it."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from app.embedded.ports import free_port
from app.up.listening import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_socket_gets_its_share_of_connections(host: str) -> None:
    port = free_port()
    with ExitStack() as opened:
        sockets = [opened.enter_context(one) for one in listen(host, port, 2)]
        for _ in range(64):
            opened.enter_context(socket.create_connection((host, port), timeout=5))
        for listening in sockets:
            listening.setblocking(False)
            connection, _ = listening.accept()
            connection.close()


def test_a_port_that_is_listened_on_is_refused_even_if_it_is_shared() -> None:
    port = free_port()
    with ExitStack() as opened:
        for one in listen("127.0.0.1", port, 2):
            opened.enter_context(one)
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", port, 1)
