"""Rate limits: exact, told in headers, cheap for busy callers, and open while Redis is away."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api import create_app
from app.edge.authentication.failed_logins import A_MINUTE, FailedLogins
from app.edge.authentication.principals import Principal
from app.edge.rate_limiting import UNLIMITED, RateLimiting
from app.settings import Settings
from domain.access.scopes import ALL_SCOPES
from domain.quotas.limits import Limits
from storage.redis.connection import RedisAway
from storage.redis.rate_limits import Bucket, Grant, Level, RateLimits
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.access.conftest import calling, new_key, new_service
from tests.processes import NO_TLS, System, wait_until
from tests.reads.api_processes import api_processes

FEW = {"user_reads_per_minute": 5, "reads_per_minute": 8, "user_writes_per_minute": 3}


def limited(operator: httpx.Client, **limits: int) -> str:
    """A service with limits."""
    service_id = new_service(operator)
    changed = operator.patch(f"/services/{service_id}", json={"limits": limits})
    assert changed.status_code == 200, changed.text
    assert changed.json()["limits"].items() >= limits.items()
    return service_id


@pytest.fixture
def user(installation: System, operator: httpx.Client) -> Iterator[httpx.Client]:
    """One key of a service that may do little."""
    with user_of(installation, operator, limited(operator, **FEW)) as client:
        yield client


def user_of(installation: System, operator: httpx.Client, service_id: str) -> httpx.Client:
    key = new_key(operator, service_id, "read", "write", "admin").json()["key"]
    return calling(installation, key)


def levels(answer: httpx.Response) -> dict[str, tuple[int, int]]:
    found = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    return {name: (int(left), int(seconds)) for name, left, seconds in found}


def test_headers_count_down_and_then_it_is_refused_for_a_while(user: httpx.Client) -> None:
    passed = [user.get("/me") for _ in range(5)]
    assert {answer.status_code for answer in passed} == {200}
    assert {answer.headers["ratelimit-policy"] for answer in passed} == {
        '"user";q=5;w=60, "service";q=8;w=60'
    }
    assert [levels(answer)["user"] for answer in passed] == [
        (4, 12),
        (3, 24),
        (2, 36),
        (1, 48),
        (0, 60),
    ]
    assert [levels(answer)["service"][0] for answer in passed] == [7, 6, 5, 4, 3]
    refused = user.get("/me")
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:tocsin:problem:too-many-requests"
    after = int(refused.headers["retry-after"])
    assert 1 <= after <= 12
    assert levels(refused)["user"] == (0, after)
    # Writes have a budget of their own, and so has every other user.
    assert user.put("/calendars/c", json={"exclude": []}).is_success


def test_a_user_leaves_some_to_others_and_a_service_to_all_others(
    installation: System, operator: httpx.Client
) -> None:
    service_id = limited(operator, **FEW)
    with (
        user_of(installation, operator, service_id) as first,
        user_of(installation, operator, service_id) as second,
    ):
        assert [first.get("/me").status_code for _ in range(6)] == [200] * 5 + [429]
        assert [second.get("/me").status_code for _ in range(4)] == [200] * 3 + [429]
        assert "service" in second.get("/me").json()["detail"]
    with user_of(installation, operator, limited(operator, **FEW)) as other:
        assert other.get("/me").status_code == 200


def test_what_flows_back_may_be_used(installation: System, operator: httpx.Client) -> None:
    with user_of(installation, operator, limited(operator, user_reads_per_minute=60)) as user:
        while user.get("/me").status_code == 200:
            pass
        wait_until(lambda: user.get("/me").status_code == 200, seconds=5, what="one flowed back")


def test_hits_that_need_no_postgres_count_as_well(user: httpx.Client) -> None:
    body = {"schedule": {"every": "P1D"}, "target": {"type": "actor", "actor": "noop"}}
    path = user.post("/jobs", json=body).headers["location"]
    assert [user.get(path).status_code for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.promise("rate limits")
def test_processes_share_the_limit_to_the_request(
    installation: System, operator: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    service_id = limited(operator, user_reads_per_minute=50)
    key = new_key(operator, service_id, "read").json()["key"]
    headers = {"authorization": f"Bearer {key}"}
    folder = tmp_path_factory.mktemp("another")
    with (
        api_processes(installation.urls, folder, count=1) as (other,),
        ThreadPoolExecutor(16) as pool,
    ):
        urls = [installation.url, other] * 60
        began = time.monotonic()
        answers = list(
            pool.map(lambda url: httpx.get(f"{url}/me", headers=headers, verify=NO_TLS), urls)
        )
        took = time.monotonic() - began
    passed = sum(answer.status_code == 200 for answer in answers)
    assert {answer.status_code for answer in answers} == {200, 429}
    assert 50 <= passed <= 50 + took * 50 / 60 + 1


@pytest.fixture
async def shards(urls: ShardUrls) -> AsyncIterator[Shards]:
    made = Shards(urls)
    yield made
    await made.close()


def principal(limits: Limits) -> Principal:
    return Principal(
        name=f"key:{uuid4()}",
        key=None,
        subject=None,
        service_id=uuid4(),
        scopes=ALL_SCOPES,
        operator=False,
        limits=limits,
        until=None,
    )


class Counted:
    """The real limits, and how often they were asked."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self.asked = 0

    async def take(self, buckets: tuple[Bucket, ...], count: int) -> object:
        self.asked += 1
        return await self._limits.take(buckets, count)


async def test_a_busy_caller_costs_few_round_trips_and_a_lease_ends(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = shards.all()[0]
    counted = Counted(shard.rate_limits)
    monkeypatch.setattr(shard, "rate_limits", counted)
    now = 0.0
    rates = RateLimiting(shards, lambda: now)
    caller = principal(Limits(user_reads_per_minute=600_000, reads_per_minute=600_000))
    for _ in range(5_000):
        assert (await rates.admit(caller, reads=True)).retry_after is None
    assert counted.asked < 20
    before = counted.asked
    now += 1.5
    await rates.admit(caller, reads=True)
    assert counted.asked == before + 1


async def test_requests_that_come_together_are_counted_one_by_one(shards: Shards) -> None:
    rates = RateLimiting(shards)
    caller = principal(Limits(user_reads_per_minute=40, reads_per_minute=1_000))
    admitted = await asyncio.gather(*(rates.admit(caller, reads=True) for _ in range(100)))
    assert sum(one.retry_after is None for one in admitted) in {40, 41}


@settings(max_examples=60, deadline=None)
@given(
    asks=st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=12),
    first=st.integers(1, 50),
    second=st.integers(1, 50),
)
def test_no_bucket_gives_more_than_it_holds(
    urls: ShardUrls, asks: list[tuple[int, bool]], first: int, second: int
) -> None:
    async def take() -> None:
        shards = Shards(urls)
        limits = shards.all()[0].rate_limits
        one, both = Bucket(f"a{uuid4()}", first), Bucket(f"b{uuid4()}", second)
        began = time.monotonic()
        of_both = of_one = 0
        for count, together in asks:
            grant = await limits.take((one, both) if together else (one,), count)
            assert 0 <= grant.count <= count
            assert (grant.later_seconds > 0) == (grant.count == 0)
            of_one += grant.count
            of_both += grant.count if together else 0
        flowed = (time.monotonic() - began) / 60
        assert of_one <= first * (1 + flowed) + 1
        assert of_both <= second * (1 + flowed) + 1
        if sum(count for count, _ in asks) <= min(first, second):
            assert of_one == sum(count for count, _ in asks)
        await shards.close()

    asyncio.run(take())


async def test_without_redis_requests_pass_and_a_metric_tells(urls: ShardUrls) -> None:
    nowhere = Shards(msgspec.structs.replace(urls, redis="redis://127.0.0.1:1"))
    rates = RateLimiting(nowhere)
    caller = principal(Limits(user_reads_per_minute=1, reads_per_minute=1))
    for _ in range(3):
        admitted = await rates.admit(caller, reads=True)
        assert (admitted.retry_after, admitted.headers) == (None, [])
    await nowhere.close()


async def test_what_takes_long_to_read_of_the_cache_leaves_nobody_uncounted(
    shards: Shards,
) -> None:
    rates, uncounted = RateLimiting(shards), UNLIMITED._value.get()
    redis = shards.all()[0].redis
    reading = asyncio.ensure_future(redis.call(lambda _: ("BLPOP", f"nothing-{uuid4()}", 1)))
    while not reading.done():
        caller = principal(Limits(user_reads_per_minute=1, reads_per_minute=1))
        assert (await rates.admit(caller, reads=True)).headers
    assert isinstance(reading.exception(), RedisAway)
    caller = principal(Limits(user_reads_per_minute=1, reads_per_minute=1))
    assert (await rates.admit(caller, reads=True)).headers
    assert UNLIMITED._value.get() == uncounted


async def test_an_address_with_many_bad_credentials_is_not_listened_to(shards: Shards) -> None:
    failed = FailedLogins(shards)
    failed.trust("Bearer good")
    address, neighbour = f"2001:db8::{uuid4().hex[:4]}", "2001:db8:0:0:ffff::1"
    for _ in range(3 * A_MINUTE):  # some flow back meanwhile
        await failed.note(address)
        if failed.closed_for(address, "Bearer another"):
            break
    assert failed.closed_for(address, "Bearer another") == 1
    assert failed.closed_for(neighbour, "Bearer another") == 1  # the same customer's
    assert failed.closed_for(address, "Bearer good") == 0
    assert failed.closed_for("2001:db8:0:1::1", "Bearer another") == 0


async def test_bad_credentials_are_refused_unseen_after_a_while(urls: ShardUrls) -> None:
    app = create_app(
        Settings(primary_url=urls.primary, replica_urls=urls.replicas, redis_url=urls.redis)
    )
    transport = httpx.ASGITransport(app, client=(f"198.51.100.{uuid4().int % 250}", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin") as client:
        statuses = set()
        for number in range(A_MINUTE + 30):
            key = f"tocsin_{UUID(int=number).hex}_{'x' * 43}"
            answer = await client.get("/jobs", headers={"authorization": f"Bearer {key}"})
            statuses.add(answer.status_code)
            if answer.status_code == 429:
                break
        assert statuses == {401, 429}
        assert answer.headers["retry-after"] == "1"
        assert (await client.get("/health/live")).status_code == 200
    await app.state.shards.close()


class OneAtATime:
    """Grants one request for each ask, at the next turn of the loop."""

    async def take(self, buckets: tuple[Bucket, ...], count: int) -> Grant:
        await asyncio.sleep(0)
        return Grant(1, 0.0, (Level(1_000, 0.0), Level(1_000, 0.0)))


@pytest.mark.timeout(20, method="thread")  # nothing else ends a loop that never gives way
async def test_a_request_that_comes_just_when_a_lease_is_renewed_waits_for_the_next(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards.all()[0], "rate_limits", OneAtATime())
    rates = RateLimiting(shards)
    caller = principal(Limits())

    async def come_later(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await rates.admit(caller, reads=True)

    await asyncio.gather(*(come_later(number % 11) for number in range(200)))
