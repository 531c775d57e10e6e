"""Contexts of TLS: a service with many authorities has its own made anew, and no one else's."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from tests.workers.certificates import Authority
from workers.targets.http.config import TransportConfig
from workers.targets.http.tls_contexts import MOST_CONTEXTS, MOST_CONTEXTS_OF_A_SERVICE, TlsContexts

FLOOD, NEIGHBOUR = UUID(int=1), UUID(int=2)


@pytest.fixture(scope="module")
def authorities() -> list[str]:
    return [Authority().pem for _ in range(MOST_CONTEXTS_OF_A_SERVICE + 1)]


async def test_more_authorities_than_are_kept_push_out_no_neighbours(
    authorities: list[str],
) -> None:
    contexts = TlsContexts(TransportConfig(context_pause_seconds=0))
    everybodys = await contexts.context(None, NEIGHBOUR)
    kept = await contexts.context(authorities[0], NEIGHBOUR)
    first = await contexts.context(authorities[0], FLOOD)
    for _ in range(MOST_CONTEXTS // len(authorities) + 1):
        for ca in authorities:
            await contexts.context(ca, FLOOD)
    assert await contexts.context(authorities[0], FLOOD) is not first
    assert await contexts.context(authorities[0], NEIGHBOUR) is kept
    assert await contexts.context(None, FLOOD) is everybodys
    assert await contexts.context(None, NEIGHBOUR) is everybodys


async def test_a_service_has_one_context_made_at_a_time_and_a_neighbour_waits_for_none(
    authorities: list[str],
) -> None:
    contexts = TlsContexts(TransportConfig(context_pause_seconds=3_600))
    flood = [asyncio.create_task(contexts.context(ca, FLOOD)) for ca in authorities]
    assert await contexts.context(authorities[0], NEIGHBOUR)
    assert await contexts.context(authorities[0], FLOOD) is await flood[0]
    assert [task.done() for task in flood] == [True] + [False] * (len(flood) - 1)
    for task in flood:
        task.cancel()


async def test_an_authority_that_is_none_fails_and_stops_no_other(authorities: list[str]) -> None:
    contexts = TlsContexts()
    for _ in range(2):
        with pytest.raises(OSError, match="certificate"):
            await contexts.context("-----BEGIN CERTIFICATE-----", FLOOD)
    assert await contexts.context(authorities[0], FLOOD)
