"""A due job's target is rung, as Standard Webhooks wants it, and the client can read how it went."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from loadtests.arrivals import Arrival
from loadtests.sink_process import SinkProcess
from tests.processes import runs_of, wait_until

JobBody = Callable[..., dict[str, Any]]


def created(client: httpx.Client, body: dict[str, Any]) -> str:
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def arrivals(sink: SinkProcess, path: str) -> list[Arrival]:
    return [arrival for arrival in sink.report().arrivals if arrival.path == path]


def wait_for_end(client: httpx.Client, job_id: str, *, seconds: float = 20) -> dict[str, Any]:
    """The job's only run, once it ended."""
    final = ("succeeded", "failed", "cancelled")
    wait_until(
        lambda: [run["state"] in final for run in runs_of(client, job_id)] == [True],
        seconds=seconds,
        what=f"one ended run of {job_id}",
    )
    (run,) = runs_of(client, job_id)
    detail: dict[str, Any] = client.get(f"/runs/{run['id']}").json()
    return detail


def test_a_job_rings_once_and_its_run_tells_how_it_went(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    path = f"/ok?{uuid4()}"
    job_id = created(client, job_body(path=path, schedule={"after": 1}))
    run = wait_for_end(client, job_id)

    assert run["state"] == "succeeded"
    assert run["trigger"] == "schedule"
    assert run["attempt_count"] == 1
    assert run["scheduled_for"] == run["due_at"]
    assert run["lateness_ms"] >= 0
    (attempt,) = run["attempts"]
    assert attempt["outcome"] == "succeeded"
    assert attempt["status_code"] == 200
    assert attempt["started_at"] == run["started_at"]
    (arrival,) = arrivals(sink, path)
    assert (arrival.webhook_id, arrival.attempt) == (run["id"], "1")

    job = client.get(f"/jobs/{job_id}").json()
    assert (job["state"], job["next_fire_at"]) == ("completed", None)


def test_a_triggered_job_rings_at_once_and_keeps_its_schedule(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody
) -> None:
    path = f"/ok?{uuid4()}"
    job_id = created(client, job_body(path=path, schedule={"cron": "0 3 * * *"}))
    before = client.get(f"/jobs/{job_id}").json()["next_fire_at"]
    answer = client.post(f"/jobs/{job_id}/trigger")
    assert answer.status_code == 202
    assert answer.json()["trigger"] == "manual"
    run = wait_for_end(client, job_id)
    assert run["id"] == answer.json()["id"]
    assert len(arrivals(sink, path)) == 1
    assert client.get(f"/jobs/{job_id}").json()["next_fire_at"] == before
