"""Ending so that no request is lost on its way to us."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

LEAVE_SECONDS = 5.0
"""Longer than a proxy keeps what is idle (k8s/nginx/upstream.conf)."""
SHUTDOWN_SECONDS = 20.0
"""All in all, for what is under way."""
_LOOK_SECONDS = 0.05


class LeavingServer(uvicorn.Server):
    """Uvicorn's server, which would close what is idle while a request may be on its way there.

    First every answer asks for its connection to be closed, and the door stays open. When those
    who kept a connection have heard of it, the door is closed; whoever stands there is let in.

    Args:
        leaving: Set from then on.
    """

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event) -> None:
        super().__init__(config)
        self._leaving = leaving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving.set()
        deadline = asyncio.get_running_loop().time() + SHUTDOWN_SECONDS
        await self._until_all_left(deadline - SHUTDOWN_SECONDS + LEAVE_SECONDS)
        await self._close_the_door()
        await self._until_all_left(deadline)
        await super().shutdown(sockets)

    async def _until_all_left(self, deadline: float) -> None:
        clock = asyncio.get_running_loop().time
        # Nobody tells when a connection ends.
        while self.server_state.connections and clock() < deadline and not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)

    async def _close_the_door(self) -> None:
        for server in self.servers:
            # Connections that nobody took yet would be reset with the last socket that listens.
            doors = [socket.socket(fileno=os.dup(one.fileno())) for one in server.sockets]
            server.close()
            for door in doors:
                with door, suppress(BlockingIOError):
                    door.setblocking(False)
                    while True:
                        await self._let_in(door.accept()[0])

    async def _let_in(self, connection: socket.socket) -> None:
        protocol: Any = self.config.http_protocol_class
        made = partial(
            protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        await asyncio.get_running_loop().connect_accepted_socket(made, connection)
