"""Keeps open connections for their next use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from workers.targets.http.config import DEFAULTS, TransportConfig
from workers.targets.http.connection import Connection
from workers.targets.http.dialer import Way


class IdleConnections:
    """Closes connections that wait for too long, or are too old.

    Args:
        most: Connections to keep; beyond it, the one that waits longest is closed.
    """

    def __init__(self, most: int, config: TransportConfig = DEFAULTS) -> None:
        self._most = most
        self._keep_alive_seconds = config.keep_alive_seconds
        self._greatest_age_seconds = config.greatest_age_seconds
        self._loop = asyncio.get_running_loop()
        self._all: OrderedDict[Connection, Way] = OrderedDict()
        # Dicts keep the order and remove any connection at once; a list would search.
        self._of_way: dict[Way, dict[Connection, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, way: Way) -> Connection | None:
        """The connection that was used last: the server is least likely to close it."""
        while waiting := self._of_way.get(way):
            connection = next(reversed(waiting))
            self._remove(connection)
            if self._is_old(connection):
                connection.close()
            elif connection.is_open:
                return connection
        return None

    def keep(self, way: Way, connection: Connection) -> None:
        """Keep a connection, unless it is too old."""
        if self._is_old(connection):
            connection.close()
            return
        connection.idle_since = self._loop.time()
        self._all[connection] = way
        self._of_way.setdefault(way, {})[connection] = None
        if len(self._all) > self._most:
            self._close(next(iter(self._all)))
        if self._timer is None:
            self._timer = self._loop.call_later(self._keep_alive_seconds, self._close_old)

    def close(self) -> None:
        """Close all kept connections."""
        for connection in list(self._all):
            self._close(connection)
        if self._timer is not None:
            self._timer.cancel()

    def _is_old(self, connection: Connection) -> bool:
        return self._loop.time() - connection.made_at >= self._greatest_age_seconds

    def _close_old(self) -> None:
        self._timer = None
        old = self._loop.time() - self._keep_alive_seconds
        while self._all and (first := next(iter(self._all))).idle_since <= old:
            self._close(first)
        if self._all:
            self._timer = self._loop.call_at(
                next(iter(self._all)).idle_since + self._keep_alive_seconds, self._close_old
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
