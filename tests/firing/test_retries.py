"""A failed attempt is tried again by row, until the target takes it or the policy ends it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.embedded.ports import free_port
from loadtests.sink.process import SinkProcess
from tests.firing.target import JobBody, Target, created, ended

QUICK = {"max_attempts": 2, "min_backoff": 0.2, "max_backoff": 0.2, "jitter": False}


def test_a_target_that_recovers_is_rung_until_it_does(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    path = f"/fail/2?{uuid4()}"
    job_id = created(client, job_body(path=path, retry={**QUICK, "max_attempts": 5}))
    run = ended(client, job_id)
    outcomes = [(one["number"], one["outcome"], one["status_code"]) for one in run["attempts"]]
    assert outcomes == [(1, "failed", 500), (2, "failed", 500), (3, "succeeded", 200)]
    assert run["state"] == "succeeded"
    arrivals = [one for one in sink.report().arrivals if one.path == path]
    assert [one.webhook_id for one in arrivals] == [run["id"]] * 3
    assert [one.attempt for one in arrivals] == ["1", "2", "3"]
    waits = [later.arrived_ns - earlier.arrived_ns for earlier, later in pairwise(arrivals)]
    assert all(wait >= 0.2e9 for wait in waits)


@pytest.mark.promise("every run ends")
def test_a_target_that_never_takes_it_ends_as_failed(
    client: httpx.Client, job_body: JobBody
) -> None:
    run = ended(client, created(client, job_body(path="/status/503", retry=QUICK)))
    assert run["state"] == "failed"
    assert [one["status_code"] for one in run["attempts"]] == [503, 503]
    assert run["finished_at"] == run["attempts"][-1]["finished_at"]


@pytest.mark.parametrize(
    ("target", "outcome", "said"),
    [
        ({"path": "/hang", "timeout": 1}, "timed_out", "No answer within 1 s."),
        ({"path": "/status/204"}, "succeeded", None),
        ({"path": "/status/404"}, "failed", "The target answered 404."),
    ],
)
def test_an_attempt_tells_how_it_ended(
    client: httpx.Client, sink: SinkProcess, target: dict[str, Any], outcome: str, said: str | None
) -> None:
    path = target.pop("path")
    body = {
        "schedule": {"after": 0},
        "target": {"type": "http", "url": sink.url + path, **target},
        "retry": {"max_attempts": 1},
    }
    (attempt,) = ended(client, created(client, body))["attempts"]
    assert (attempt["outcome"], attempt["error"]) == (outcome, said)


@pytest.mark.promise("redirects")
def test_redirects_are_not_followed(client: httpx.Client) -> None:
    with Target() as elsewhere, Target(302, {"location": elsewhere.url}) as target:
        body = {
            "schedule": {"after": 0},
            "target": {"type": "http", "url": target.url},
            "retry": {"max_attempts": 1},
        }
        run = ended(client, created(client, body))
    assert run["state"] == "failed"
    assert run["attempts"][0]["status_code"] == 302
    assert elsewhere.received == []


def test_a_target_that_nobody_listens_on_is_a_failure_with_a_reason(client: httpx.Client) -> None:
    body = {
        "schedule": {"after": 0},
        "target": {"type": "http", "url": f"http://127.0.0.1:{free_port()}/"},
        "retry": {"max_attempts": 1},
    }
    (attempt,) = ended(client, created(client, body))["attempts"]
    assert attempt["outcome"] == "failed"
    assert attempt["status_code"] is None
    assert "onnect" in attempt["error"]
