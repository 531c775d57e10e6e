"""Connections that wait for their next use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from workers.targets.connection import Connection
from workers.targets.dialer import Way

KEEP_ALIVE_SECONDS = 30
GREATEST_AGE_SECONDS = 120
"""Since it was made; so a name that has moved is followed, however often it is rung."""


class IdleConnections:
    """Each waits for `KEEP_ALIVE_SECONDS` at most, and none is older than `GREATEST_AGE_SECONDS`.

    Args:
        most: How many; beyond it the one goes that waits longest.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._all: OrderedDict[Connection, Way] = OrderedDict()
        # In the order in which they came; any one is taken out at once, where a list would search.
        self._of_way: dict[Way, dict[Connection, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, way: Way) -> Connection | None:
        """The one that came last, which the server is least likely to close."""
        while waiting := self._of_way.get(way):
            connection = next(reversed(waiting))
            self._remove(connection)
            if self._is_old(connection):
                connection.close()
            elif connection.is_open:
                return connection
        return None

    def keep(self, way: Way, connection: Connection) -> None:
        """Let it wait, if it is not too old for that."""
        if self._is_old(connection):
            connection.close()
            return
        connection.idle_since = self._loop.time()
        self._all[connection] = way
        self._of_way.setdefault(way, {})[connection] = None
        if len(self._all) > self._most:
            self._close(next(iter(self._all)))
        if self._timer is None:
            self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._close_old)

    def close(self) -> None:
        """Close them all."""
        for connection in list(self._all):
            self._close(connection)
        if self._timer is not None:
            self._timer.cancel()

    def _is_old(self, connection: Connection) -> bool:
        return self._loop.time() - connection.made_at >= GREATEST_AGE_SECONDS

    def _close_old(self) -> None:
        self._timer = None
        old = self._loop.time() - KEEP_ALIVE_SECONDS
        while self._all and (first := next(iter(self._all))).idle_since <= old:
            self._close(first)
        if self._all:
            self._timer = self._loop.call_at(
                next(iter(self._all)).idle_since + KEEP_ALIVE_SECONDS, self._close_old
            )

    def _close(self, connection: Connection) -> None:
        self._remove(connection)
        connection.close()

    def _remove(self, connection: Connection) -> None:
        way = self._all.pop(connection)
        waiting = self._of_way[way]
        del waiting[connection]
        if not waiting:
            del self._of_way[way]
