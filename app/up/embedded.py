"""Embedded servers under a supervisor."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from app.embedded.errors import EmbeddedServerError
from app.embedded.replica import Replica
from app.embedded.server import Server
from app.up.child import Child
from app.up.supervisor import Supervisor

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a running replica may be out of touch with a running primary before it is rebuilt.

    Attributes:
        interval: Seconds between two looks.
        looks: How often in a row it has to be out of touch.
    """

    interval: float = 10.0
    looks: int = 3


async def start_server(server: Server, supervisor: Supervisor) -> None:
    """Have a server kept running, and wait until it is ready.

    What a killed supervisor left behind may be ready meanwhile, and is about to be ended.
    """
    supervisor.start(_child(server))
    while not await asyncio.to_thread(  # noqa: ASYNC110 (a process sends no event)
        _is_ready, server, supervisor.pids[server.name]
    ):
        await asyncio.sleep(0.01)


async def keep_following(replica: Replica, supervisor: Supervisor, patience: Patience) -> None:
    """Have the replica built anew whenever it does not follow the primary any more."""
    missed = 0
    while True:
        await asyncio.sleep(patience.interval)
        try:
            missed = 0 if await asyncio.to_thread(replica.is_following) else missed + 1
        except EmbeddedServerError:
            missed = 0  # the primary is down: nobody could follow it
        if missed >= patience.looks:
            missed = 0
            log.warning("replica.rebuilt", reason="it does not follow the primary any more")
            replica.discard()
            supervisor.replace(replica.name)


def _is_ready(server: Server, pid: int | None) -> bool:
    return pid is not None and server.pid == pid and server.is_ready()


def _child(server: Server) -> Child:
    launch = server.launch()
    return Child(
        name=server.name,
        argv=launch.argv,
        env=launch.env,
        cwd=launch.cwd,
        user=launch.user,
        group=launch.group,
        stop_signal=server.stop_signal,
        prepare=server.prepare,
        mend=server.mend,
        chatter=server.chatter,
        serves=True,
    )
