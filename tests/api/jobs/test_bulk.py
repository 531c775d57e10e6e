"""Runs of a whole service: found by filters, cancelled and replayed, one or many at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from domain.runs.run import RunState
from loadtests.sink.process import SinkProcess
from tests.api.problems import problem, wrong_values
from tests.processes import wait_until

JobBody = Callable[..., dict[str, Any]]
NEVER = {"at": "2099-01-01T00:00:00Z"}


@pytest.fixture
def job(client: httpx.Client, job_body: JobBody) -> Callable[..., str]:
    """Stores a job that fires only when it is triggered, and fails at once; returns its id."""

    def make(path: str = "/status/500", **changes: Any) -> str:
        body = job_body(path=path, schedule=NEVER, retry={"max_attempts": 1}, **changes)
        answer = client.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    return make


def triggered(client: httpx.Client, job_id: str, count: int = 1) -> list[str]:
    body = {"overlap": "allow_all"}
    runs = [client.post(f"/jobs/{job_id}/trigger", json=body).json() for _ in range(count)]
    return [run["id"] for run in runs]


def listed(client: httpx.Client, **parameters: Any) -> list[str]:
    answer = client.get("/runs", params={"limit": 200, **parameters})
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["items"]]


def failed(client: httpx.Client, count: int) -> list[str]:
    wait_until(lambda: len(listed(client, state="failed")) == count, what=f"{count} failed")
    return listed(client, state="failed")


def test_runs_of_all_jobs_are_listed_newest_first_and_filtered(
    client: httpx.Client, job: Callable[..., str]
) -> None:
    bad, good = job(), job("/ok")
    runs = [*triggered(client, bad, 2), *triggered(client, good, 2)]
    assert failed(client, 2) == runs[1::-1]
    assert listed(client) == runs[::-1]
    assert listed(client, job_id=good) == runs[:1:-1]
    assert listed(client, trigger="manual") == runs[::-1]
    assert listed(client, trigger="backfill") == []
    middle = client.get(f"/runs/{runs[1]}").json()["scheduled_for"]
    assert listed(client, since=middle) == runs[:0:-1]
    assert listed(client, before=middle) == runs[:1]
    assert listed(client, since=middle, before=middle) == []
    wait_until(lambda: listed(client, state="succeeded") == runs[:1:-1], what="the good ones ran")


def test_pages_hold_every_run_once(client: httpx.Client, job: Callable[..., str]) -> None:
    runs = triggered(client, job("/ok"), 5)
    walked, cursor = [], None
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/runs", params=parameters).json()
        walked += [run["id"] for run in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert walked == runs[::-1]


def test_a_run_that_rings_is_cancelled_and_stays_so(
    client: httpx.Client, job: Callable[..., str]
) -> None:
    (run,) = triggered(client, job("/hang"))
    wait_until(lambda: client.get(f"/runs/{run}").json()["state"] == "running", what="it rings")
    first, second = (client.post(f"/runs/{run}/cancel") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json()["state"] == "cancelled"
    assert first.json()["reason"]
    assert second.json() == first.json()


def test_what_has_ended_cannot_be_cancelled(client: httpx.Client, job: Callable[..., str]) -> None:
    triggered(client, job())
    (run,) = failed(client, 1)
    problem(client.post(f"/runs/{run}/cancel"), 409)


def test_open_runs_are_cancelled_in_bulk(client: httpx.Client, job: Callable[..., str]) -> None:
    slow, other = job("/hang"), job("/hang")
    runs, spared = triggered(client, slow, 3), triggered(client, other)
    first = client.post("/runs/cancel", json={"job_id": slow, "limit": 2})
    assert (first.status_code, first.json()) == (200, {"count": 2, "more": True})
    rest = client.post("/runs/cancel", json={"job_id": slow, "limit": 2})
    assert rest.json() == {"count": 1, "more": False}
    assert sorted(listed(client, state="cancelled")) == sorted(runs)
    assert client.post("/runs/cancel", json={"state": "succeeded"}).json()["count"] == 0
    assert client.post("/runs/cancel", json={"all": True}).json() == {"count": 1, "more": False}
    assert client.get(f"/runs/{spared[0]}").json()["state"] == "cancelled"


def test_a_dead_letter_is_replayed_as_a_run_of_the_same_fire_time(
    client: httpx.Client, job: Callable[..., str], sink: SinkProcess
) -> None:
    job_id = job()
    triggered(client, job_id)
    (dead,) = failed(client, 1)
    target = {"type": "http", "url": f"{sink.url}/ok"}
    assert client.patch(f"/jobs/{job_id}", json={"target": target}).status_code == 200
    answer = client.post(f"/runs/{dead}/replay")
    assert answer.status_code == 202
    replayed = answer.json()
    assert answer.headers["location"] == f"/runs/{replayed['id']}"
    assert replayed["trigger"] == "replay"
    assert replayed["id"] != dead
    assert replayed["scheduled_for"] == client.get(f"/runs/{dead}").json()["scheduled_for"]
    path = answer.headers["location"]
    wait_until(lambda: client.get(path).json()["state"] == "succeeded", what="it succeeded")


def test_dead_letters_are_replayed_in_bulk_each_once(
    client: httpx.Client, job: Callable[..., str]
) -> None:
    triggered(client, job(), 3)
    failed(client, 3)
    first = client.post("/runs/replay", json={"all": True, "limit": 2})
    assert (first.status_code, first.json()) == (202, {"count": 2, "more": True})
    assert client.post("/runs/replay", json={"trigger": "manual"}).json()["count"] == 1
    again = client.post("/runs/replay", json={"trigger": "manual"})
    assert again.json() == {"count": 0, "more": False}


def test_what_has_not_ended_or_lost_its_job_is_not_replayed(
    client: httpx.Client, job: Callable[..., str]
) -> None:
    slow = job("/hang")
    (run,) = triggered(client, slow)
    problem(client.post(f"/runs/{run}/replay"), 409)
    gone = job()
    triggered(client, gone)
    (dead,) = failed(client, 1)
    assert client.delete(f"/jobs/{gone}").status_code == 204
    problem(client.post(f"/runs/{dead}/replay"), 409)
    assert client.post("/runs/replay", json={"all": True}).json() == {"count": 0, "more": False}


@pytest.mark.parametrize("state", [state for state in RunState if state is not RunState.FAILED])
def test_only_failed_runs_are_chosen_to_be_replayed(client: httpx.Client, state: RunState) -> None:
    for body in ({"state": state}, {"state": state, "trigger": "manual"}):
        answer = client.post("/runs/replay", json=body)
        assert wrong_values(answer) == ["/state"]
        assert "failed" in answer.json()["detail"]


def test_another_services_runs_are_out_of_reach(
    client: httpx.Client, stranger: httpx.Client, job: Callable[..., str]
) -> None:
    job_id = job()
    triggered(client, job_id)
    (dead,) = failed(client, 1)
    assert listed(stranger, job_id=job_id) == []
    for action in ("cancel", "replay"):
        problem(stranger.post(f"/runs/{dead}/{action}"), 404)
        assert stranger.post(f"/runs/{action}", json={"job_id": job_id}).json()["count"] == 0
