"""A due job's target is rung as Standard Webhooks wants it, and the client reads how it went."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from loadtests.sink.process import SinkProcess
from storage.postgres.pools import Database
from storage.urls import ShardUrls
from tests.firing.target import JobBody, Target, created, ended


@pytest.mark.promise("at least once")
def test_a_job_rings_once_and_its_run_tells_how_it_went(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    path = f"/ok?{uuid4()}"
    job_id = created(client, job_body(path=path, schedule={"after": 1}))
    run = ended(client, job_id)

    assert run["state"] == "succeeded"
    assert run["trigger"] == "schedule"
    assert run["attempt_count"] == 1
    assert run["scheduled_for"] == run["due_at"]
    assert run["lateness_ms"] >= 0
    (attempt,) = run["attempts"]
    assert attempt["outcome"] == "succeeded"
    assert attempt["status_code"] == 200
    assert attempt["started_at"] == run["started_at"]
    (arrival,) = (one for one in sink.report().arrivals if one.path == path)
    assert (arrival.webhook_id, arrival.attempt) == (run["id"], "1")

    job = client.get(f"/jobs/{job_id}").json()
    assert (job["state"], job["next_fire_at"]) == ("completed", None)


@pytest.mark.promise("Standard Webhooks")
def test_a_ring_carries_what_standard_webhooks_and_tracing_want(
    client: httpx.Client, urls: ShardUrls
) -> None:
    body = '{"exact":  "bytes", "number": 12345678901234567890123}'
    with Target() as target:
        text = (
            '{"name": "Nächtlich, 100 %\\r\\nx: y", "schedule": {"after": 0}, '
            f'"target": {{"type": "http", "url": "{target.url}/hook?a=b%2Fc", "method": "PUT", '
            f'"headers": {{"X-Kind": "nightly"}}, "body": {body}}}}}'
        )
        answer = client.post("/jobs", content=text, headers={"content-type": "application/json"})
        run = ended(client, answer.json()["id"])
    (received,) = target.received

    assert (received.method, received.path) == ("PUT", "/hook?a=b%2Fc")
    assert received.body == body.encode()
    assert received.headers["x-kind"] == "nightly"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["webhook-id"] == run["id"]
    assert received.headers["tocsin-attempt"] == "1"
    assert received.headers["tocsin-scheduled-for"] == run["scheduled_for"]
    assert received.headers["tocsin-job-id"] == run["job_id"]
    assert unquote(received.headers["tocsin-job-name"]) == "Nächtlich, 100 %\r\nx: y"
    version, trace, span, _ = received.headers["traceparent"].split("-")
    assert (version, UUID(trace)) == ("00", UUID(run["id"]))
    assert int(span, 16) == 1
    (secret,) = asyncio.run(_secrets(urls, client))
    Webhook(secret).verify(received.body, received.headers)


def test_a_ring_without_a_body_is_verified_and_its_fire_time_has_one_form(
    client: httpx.Client, urls: ShardUrls
) -> None:
    with Target() as target:
        whole_second = {"schedule": {"every": 1, "max_runs": 1}}
        run = ended(
            client,
            created(client, {**whole_second, "target": {"type": "http", "url": target.url}}),
        )
    (received,) = target.received
    assert run["scheduled_for"].endswith(".000000Z")
    assert received.headers["tocsin-scheduled-for"] == run["scheduled_for"]
    (secret,) = asyncio.run(_secrets(urls, client))
    assert Webhook(secret).verify(received.body, received.headers) == {}


async def _secrets(urls: ShardUrls, client: httpx.Client) -> list[str]:
    service_id = UUID(client.headers["authorization"].split("_")[1])
    database = Database(urls.primary)
    async with database.driver() as driver:
        found = await driver.fetchval(
            "SELECT signing_secrets FROM services WHERE id = $1", service_id
        )
    await database.close()
    return list(found)


@pytest.mark.parametrize(
    ("target", "content", "kind"),
    [
        ({"body": "plain wörds"}, "plain wörds".encode(), "text/plain; charset=utf-8"),
        ({"body": [1, None]}, b"[1,null]", "application/json"),
        (
            {"body": {}, "headers": {"content-type": "application/x+json"}},
            b"{}",
            "application/x+json",
        ),
        ({"body": None}, b"null", "application/json"),
        ({}, b"{}", "application/json"),
        ({"method": "PUT", "headers": {"content-type": "a/b"}}, b"{}", "a/b"),
        ({"body": ""}, b"", None),
        ({"method": "GET"}, b"", None),
        ({"method": "DELETE"}, b"", None),
        ({"method": "DELETE", "body": {}}, b"{}", "application/json"),
    ],
)
def test_a_body_is_delivered_as_it_was_sent(
    client: httpx.Client, target: dict[str, Any], content: bytes, kind: str | None
) -> None:
    with Target() as listening:
        whole = {"type": "http", "url": listening.url, **target}
        ended(client, created(client, {"schedule": {"after": 0}, "target": whole}))
    (received,) = listening.received
    assert received.body == content
    assert received.headers.get("content-type") == kind


@pytest.mark.promise("4 KiB")
def test_the_first_4_kib_of_an_answer_are_kept(client: httpx.Client) -> None:
    with Target(body=b"\0\xff" + b"x" * 100_000) as target:
        run = ended(
            client,
            created(
                client,
                {"schedule": {"after": 0}, "target": {"type": "http", "url": target.url}},
            ),
        )
    excerpt = run["attempts"][0]["response_excerpt"]
    assert excerpt == "\ufffd\ufffd" + "x" * 4_094


def test_a_triggered_job_rings_at_once_and_keeps_its_schedule(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    path = f"/ok?{uuid4()}"
    job_id = created(client, job_body(path=path, schedule={"cron": "0 3 * * *"}))
    before = client.get(f"/jobs/{job_id}").json()["next_fire_at"]
    answer = client.post(f"/jobs/{job_id}/trigger")
    assert answer.status_code == 202
    assert answer.json()["trigger"] == "manual"
    run = ended(client, job_id)
    assert run["id"] == answer.json()["id"]
    assert len([one for one in sink.report().arrivals if one.path == path]) == 1
    assert client.get(f"/jobs/{job_id}").json()["next_fire_at"] == before


@pytest.mark.promise("egress guard")
def test_a_loopback_address_that_is_not_allowed_is_never_connected_to(
    client: httpx.Client, urls: ShardUrls
) -> None:
    target = {"type": "http", "url": "http://[::1]:9/"}
    job_id = created(
        client,
        {
            "schedule": {"cron": "0 3 * * *"},
            "target": {**target, "url": "http://127.0.0.1:9/"},
            "retry": {"max_attempts": 1},
        },
    )
    assert client.patch(f"/jobs/{job_id}", json={"target": target}).status_code == 422
    # Stored by a version that did not look, or under other settings: the worker looks again.
    asyncio.run(_store_target(urls, UUID(job_id), json.dumps(target)))
    client.post(f"/jobs/{job_id}/trigger")
    run = ended(client, job_id)
    assert run["state"] == "failed"
    assert "not allowed" in run["attempts"][0]["error"]


async def _store_target(urls: ShardUrls, job_id: UUID, target: str) -> None:
    database = Database(urls.primary)
    async with database.driver() as driver:
        await driver.execute("UPDATE jobs SET target = $2 WHERE id = $1", job_id, target)
    await database.close()


def test_a_job_of_every_second_rings_every_second(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    path = f"/ok?{uuid4()}"
    job_id = created(client, job_body(path=path, schedule={"every": 1}))
    deadline = time.monotonic() + 30
    arrivals: list[int] = []
    while len(arrivals) < 3 and time.monotonic() < deadline:
        arrivals = [one.arrived_ns for one in sink.report().arrivals if one.path == path]
    job = client.get(f"/jobs/{job_id}").json()
    client.post(f"/jobs/{job_id}/pause")
    assert len(arrivals) >= 3
    seconds = [round(arrived / 1e9) for arrived in arrivals]
    assert seconds == list(range(seconds[0], seconds[0] + len(seconds)))
    assert job["state"] == "active"
    next_fire_at = datetime.fromisoformat(job["next_fire_at"])
    assert next_fire_at.microsecond == 0
    assert next_fire_at.timestamp() - seconds[-1] <= 2
