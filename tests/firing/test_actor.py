"""A job whose target is a Dramatiq actor."""

from __future__ import annotations

from uuid import uuid4

import httpx

from tests.firing.target import created, ended
from tests.processes import System


def test_an_actor_runs_with_its_payload(client: httpx.Client, system: System) -> None:
    mark = str(uuid4())
    target = {"type": "actor", "actor": "log", "payload": {"mark": [mark, 1, None]}}
    run = ended(client, created(client, {"schedule": {"after": 0}, "target": target}))
    assert run["state"] == "succeeded"
    (attempt,) = run["attempts"]
    assert (attempt["outcome"], attempt["error"]) == ("succeeded", None)
    assert (attempt["status_code"], attempt["response_excerpt"]) == (None, None)
    assert mark in system.newest("worker").text


def test_an_actor_runs_without_a_payload(client: httpx.Client) -> None:
    target = {"type": "actor", "actor": "noop"}
    run = ended(client, created(client, {"schedule": {"after": 0}, "target": target}))
    assert run["state"] == "succeeded"
    assert run["lateness_ms"] >= 0


def test_an_actor_that_is_not_allowed_is_refused_when_the_job_is_stored(
    client: httpx.Client,
) -> None:
    target = {"type": "actor", "actor": "ring_runs"}
    answer = client.post("/jobs", json={"schedule": {"after": 0}, "target": target})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/target/actor"
