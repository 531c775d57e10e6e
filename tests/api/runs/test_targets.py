"""`GET /targets`: how targets fare, told by a worker that rings them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.embedded.ports import free_port
from app.responses.problems import problem_of
from domain.access.caller import Caller
from domain.targets.health.breaker import FAILURES
from loadtests.sink.process import SinkProcess
from queries.services.list_targets import ListTargets, list_targets
from storage.redis.connection import RedisAway
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.firing.target import JobBody, created, ended
from tests.processes import System, wait_until

ONCE = {"max_attempts": 1}


def targets(client: httpx.Client) -> dict[str, dict[str, Any]]:
    answer = client.get("/targets")
    assert answer.status_code == 200, answer.text
    assert answer.json()["more"] is False
    return {item["origin"] or item["actor"]: item for item in answer.json()["items"]}


def test_a_service_that_has_rung_nothing_has_no_targets(client: httpx.Client) -> None:
    assert targets(client) == {}


def test_a_target_that_is_rung_is_shown_with_what_it_is_given(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    ended(client, created(client, job_body()))
    wait_until(lambda: sink.url in targets(client), what="the worker told of the target")
    target = targets(client)[sink.url]
    assert target["kind"] == "http"
    assert target["actor"] is None
    assert (target["state"], target["consecutive_failures"]) == ("closed", 0)
    assert (target["concurrency"], target["concurrency_allowed"]) == (0, 512)
    assert target["rate_allowed"] is None
    assert (target["opened_at"], target["probe_at"]) == (None, None)
    assert target["last_minute"] == {"answered": 1, "failed": 0, "deferred": 0}


def test_an_actor_is_shown_by_its_name(client: httpx.Client) -> None:
    body = {"schedule": {"after": 0}, "target": {"type": "actor", "actor": "noop"}}
    ended(client, created(client, body))
    wait_until(lambda: "noop" in targets(client), what="the worker told of the actor")
    assert (targets(client)["noop"]["kind"], targets(client)["noop"]["origin"]) == ("actor", None)


def test_a_broken_target_is_left_alone_comes_first_and_nobody_else_sees_it(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody, system: System
) -> None:
    broken = f"http://127.0.0.1:{free_port()}"
    target = {"type": "http", "url": f"{broken}/run"}
    for _ in range(FAILURES):
        created(client, job_body(target=target, retry=ONCE))
    wait_until(
        lambda: targets(client).get(broken, {}).get("state") == "open", what="the breaker opened"
    )
    ended(client, created(client, job_body()))
    wait_until(lambda: sink.url in targets(client), what="the other target is told of")
    assert list(targets(client)) == [broken, sink.url]
    shown = targets(client)[broken]
    assert shown["consecutive_failures"] >= FAILURES
    assert shown["opened_at"] < shown["probe_at"]
    job_id = created(client, job_body(target=target, retry=ONCE))
    wait_until(
        lambda: targets(client)[broken]["last_minute"]["deferred"] > 0, what="a run was put off"
    )
    (run,) = client.get(f"/jobs/{job_id}/runs").json()["items"]
    assert (run["state"], run["attempt_count"], run["due_at"]) == (
        "scheduled",
        0,
        run["scheduled_for"],
    )
    with system.client(f"test-{uuid4()}") as neighbour:
        assert targets(neighbour) == {}
    assert ended(client, job_id, seconds=30)["state"] == "failed"


async def test_without_redis_it_says_so_and_shows_no_empty_list(commands_urls: ShardUrls) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    away = Shards(ShardUrls(primary=commands_urls.primary, redis=nowhere))
    caller = Caller(service_id=uuid4(), principal="key:test", request_id="test")
    with pytest.raises(RedisAway) as raised:
        await list_targets(ListTargets(caller=caller, now=datetime.now(UTC)), away)
    assert problem_of(raised.value).status == 503
    await away.close()
