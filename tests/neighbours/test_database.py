"""Slow searches of a service, and its commands that wait, keep no neighbour from an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from storage.urls import ShardUrls
from tests.firing.target import created
from tests.processes import System, runs_of, wait_until

AT_ONCE = 60
FIRES = 4
LATE_SECONDS = 2.0
FAR = {"after": "P30D"}

JobBody = Callable[..., dict[str, Any]]


@contextmanager
def locked(urls: ShardUrls, statement: str) -> Iterator[None]:
    """Somebody's transaction holds what a statement locks."""
    begun, over = threading.Event(), threading.Event()

    async def hold() -> None:
        connection = await asyncpg.connect(urls.primary)
        async with connection.transaction():
            await connection.execute(statement)
            begun.set()
            await asyncio.to_thread(over.wait)
        await connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(asyncio.run, hold())
        wait_until(lambda: begun.is_set() or holding.done(), what="the lock is held")
        try:
            yield
        finally:
            over.set()
        holding.result()


@contextmanager
def again_and_again(asking: Callable[[int], httpx.Response]) -> Iterator[set[int]]:
    """So many ask at once, and again when they are answered; what they are told, by status."""
    told: set[int] = set()
    over = threading.Event()

    def ask(number: int) -> None:
        while not over.is_set():
            answer = asking(number)
            if answer.is_success:
                continue  # asked when it was over
            assert "retry-after" in answer.headers, answer.text
            told.add(answer.status_code)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = [pool.submit(ask, number) for number in range(AT_ONCE)]
        try:
            yield told
        finally:
            over.set()
        for one in under_way:
            one.result()


def answers_in_time(asking: Callable[[], httpx.Response], *, times: int = 20) -> None:
    """Whether it is answered, each time, and before long."""
    for _ in range(times):
        answer = asking()
        assert answer.status_code < 300, answer.text
        assert answer.elapsed.total_seconds() < LATE_SECONDS


def fires_in_time(client: httpx.Client, job_id: str) -> None:
    wait_until(lambda: len(over(client, job_id)) >= FIRES, seconds=30, what=f"{FIRES} runs")
    runs = over(client, job_id)
    assert {run["state"] for run in runs} == {"succeeded"}
    assert [run for run in runs if run["lateness_ms"] > LATE_SECONDS * 1_000] == []


def over(client: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    return [run for run in runs_of(client, job_id) if run["finished_at"]]


def replica_is_used(system: System) -> bool:
    text = httpx.get(f"{system.url}/metrics").text
    (usable,) = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "tocsin_replica_usable"
    ]
    return usable == 1


@pytest.fixture
def job_id(neighbour: httpx.Client, job_body: JobBody) -> str:
    """A job of the neighbour's, every second."""
    return created(neighbour, job_body(schedule={"every": 1}, overlap="allow_all"))


def test_slow_searches_keep_a_neighbour_from_no_read(
    system: System, flood: httpx.Client, neighbour: httpx.Client, job_id: str, job_body: JobBody
) -> None:
    created(flood, job_body(schedule=FAR))

    def search(number: int) -> httpx.Response:
        return flood.get("/jobs", params={"search": f"word{number}"})

    with (
        locked(system.urls, "LOCK TABLE listings IN ACCESS EXCLUSIVE MODE"),
        again_and_again(search) as told,
    ):
        fires_in_time(neighbour, job_id)
        answers_in_time(lambda: neighbour.get(f"/jobs/{job_id}/runs"))
        wait_until(lambda: told == {503, 429}, seconds=60, what="both were told")
    assert replica_is_used(system)
    assert "replica.ejected" not in system.newest("api").text


def test_commands_that_wait_for_a_job_keep_a_neighbour_from_no_write(
    system: System, flood: httpx.Client, neighbour: httpx.Client, job_id: str, job_body: JobBody
) -> None:
    wanted = created(flood, job_body(schedule=FAR))
    own = created(neighbour, job_body(schedule=FAR))

    def change(number: int) -> httpx.Response:
        return flood.patch(f"/jobs/{wanted}", json={"name": f"name {number}"})

    with (
        locked(system.urls, f"SELECT FROM jobs WHERE id = '{wanted}' FOR UPDATE"),
        again_and_again(change) as told,
    ):
        fires_in_time(neighbour, job_id)
        answers_in_time(lambda: neighbour.patch(f"/jobs/{own}", json={"name": "another"}))
        answers_in_time(lambda: neighbour.post("/jobs", json=job_body(schedule=FAR)), times=5)
        wait_until(lambda: told == {503, 429}, seconds=60, what="both were told")
