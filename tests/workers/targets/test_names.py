"""Names are looked up at a real server, and no service takes the look-ups of another."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.runs.run import Outcome
from tests.workers.http_server import OK, raw_target
from tests.workers.name_server import NameServer, name_server
from tests.workers.targets.test_transport import ring, ringing
from workers.targets.http.config import DEFAULTS, TransportConfig
from workers.targets.http.names import (
    MOST_ADDRESSES,
    Names,
    TooManyLookUps,
    UnknownName,
)

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    async with name_server() as made:
        yield made


@pytest.fixture
def names(server: NameServer) -> Names:
    return Names([server.address])


@pytest.fixture
def impatient(server: NameServer) -> Names:
    return Names([server.address], config=TransportConfig(look_up_seconds=0.3))


async def test_a_name_is_asked_for_once_by_all_who_want_it(
    names: Names, server: NameServer
) -> None:
    asked = [names.addresses("late.example", port, ONE) for port in range(1, 40)]
    waiting = asyncio.gather(*asked)
    await asyncio.sleep(0)
    server.late.set()
    found = await waiting
    assert [infos[0][4] for infos in found] == [("127.0.0.1", port) for port in range(1, 40)]
    await names.addresses("late.example", 80, OTHER)
    assert server.asked == {"late.example": 1}


@pytest.mark.parametrize("host", ["127.0.0.9", "::1", "localhost"])
async def test_addresses_and_hosts_of_the_machine_are_not_asked_for(
    names: Names, server: NameServer, host: str
) -> None:
    assert await names.addresses(host, 80, ONE)
    assert not server.asked


async def test_a_name_has_a_bounded_number_of_addresses(names: Names) -> None:
    assert len(await names.addresses("many.example", 80, ONE)) == MOST_ADDRESSES


async def test_what_does_not_fit_into_a_datagram_is_asked_for_by_tcp_now_and_then(
    names: Names, server: NameServer
) -> None:
    first = await names.addresses("long-1.example", 80, ONE)
    assert first[0][4][0].startswith("10.1.")
    with pytest.raises(UnknownName, match="no address"):
        await names.addresses("long-2.example", 80, ONE)
    assert await names.addresses("long-3.example", 80, OTHER)
    assert server.asked["long-2.example"] == 1


async def test_a_name_that_is_not_known_is_not_asked_for_again_for_a_while(
    names: Names, server: NameServer
) -> None:
    for _ in range(3):
        with pytest.raises(UnknownName, match=r"unknown\.example was not found"):
            await names.addresses("unknown.example", 80, ONE)
    assert server.asked["unknown.example"] == 1
    names = Names([server.address], config=TransportConfig(kept_failure_seconds=0))
    for _ in range(2):
        with pytest.raises(UnknownName):
            await names.addresses("unknown-2.example", 80, ONE)
    assert server.asked["unknown-2.example"] == 2


async def test_a_look_up_ends_in_time_and_leaves_nothing_behind(
    impatient: Names, server: NameServer
) -> None:
    threads = threading.active_count()
    with pytest.raises(UnknownName, match=r"No server told the address of silent\.example"):
        await impatient.addresses("silent.example", 80, ONE)
    with pytest.raises(UnknownName):
        await impatient.addresses("silent.example", 80, ONE)
    assert server.asked["silent.example"] == 1
    assert threading.active_count() <= threads + 1  # one closes all channels


async def test_a_service_waits_for_its_own_look_ups_and_for_no_others(
    impatient: Names, server: NameServer
) -> None:
    hosts = [f"silent-{n}.example" for n in range(DEFAULTS.look_ups_of_a_service * 3)]
    flood = [asyncio.create_task(impatient.addresses(host, 80, ONE)) for host in hosts]
    queued = asyncio.create_task(impatient.addresses("late.example", 80, ONE))
    await asyncio.sleep(0)
    server.late.set()
    # Also of a name that the flood would like to know.
    for host in ("known.example", "late.example"):
        assert await impatient.addresses(host, 80, OTHER)
    assert not any(task.done() for task in flood)
    ends = await asyncio.gather(*flood, queued, return_exceptions=True)
    assert {type(end) for end in ends} <= {UnknownName, TooManyLookUps, list}
    assert sum(server.asked[host] > 0 for host in hosts) <= DEFAULTS.look_ups_of_a_service * 2


async def test_who_gives_up_leaves_no_traceback(
    names: Names, server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    asked = asyncio.create_task(names.addresses("late-unknown.example", 80, ONE))
    other = asyncio.create_task(names.addresses("late.example", 80, ONE))
    await server.came.get()
    await server.came.get()
    for task in (asked, other):
        task.cancel()
    await asyncio.wait([asked, other])
    server.late.set()
    assert await names.addresses("late.example", 80, ONE)
    gc.collect()
    assert caplog.text == ""


async def test_a_target_is_rung_by_name_and_a_name_nobody_knows_fails(server: NameServer) -> None:
    async with raw_target(OK) as target, ringing(name_servers=[server.address]) as ringer:
        rung = await ring(ringer, f"http://known.example:{target.port}/")
        unknown = await ring(ringer, f"http://unknown.example:{target.port}/")
    assert rung.outcome is Outcome.SUCCEEDED
    assert (unknown.outcome, unknown.at_fault) == (Outcome.FAILED, True)
    assert unknown.error == "The host unknown.example was not found: Domain name not found."
