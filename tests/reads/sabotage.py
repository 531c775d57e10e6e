"""What an API process would be without one of its guards."""

from __future__ import annotations

from app.edge.connections import bounded_protocol
from storage.cache import shared_cache
from storage.postgres.replicas import Replica, Replicas


def lsn_check() -> None:
    """Any replica will do, however far behind it is."""

    async def least_lagged(self: Replicas, place: int) -> Replica | None:
        return self.least_lagged()

    Replicas.having_replayed = least_lagged


def version_check() -> None:
    """Whatever comes last is cached, also what is older."""
    shared_cache._RECORD = shared_cache._RECORD.replace("known < string.sub", "'' <= string.sub")
    shared_cache._FILL = shared_cache._FILL.replace(
        "1, #seen) == seen", "1, #seen) ~= 'x'"
    ).replace("known <= string.sub", "'' <= string.sub")


def patience() -> None:
    """Clients are waited for half a second, and no more than 20 at once."""
    bounded_protocol.HEAD_SECONDS = bounded_protocol.BODY_SECONDS = 0.5
    bounded_protocol.ANSWER_SECONDS = 0.5
    bounded_protocol.MAX_CONNECTIONS = 20
