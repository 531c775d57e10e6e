"""`GET /runs` and `GET /jobs/{id}/runs` by filter and order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from domain.runs.run import RunState
from tests.api.conftest import FAR
from tests.api.problems import problem, wrong_parameters
from tests.processes import System, runs_of, wait_until

Parameters = dict[str, Any]


class Known:
    """A service with runs.

    Attributes:
        runs: Those of the job, newest first, but for one of another job.
    """

    def __init__(self, client: httpx.Client, job: str, runs: list[dict[str, Any]]) -> None:
        self.client = client
        self.job = job
        self.runs = runs

    def ids(self, path: str, parameters: Parameters) -> list[str]:
        answer = self.client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        assert answer.json()["next_cursor"] is None
        return [run["id"] for run in answer.json()["items"]]


@pytest.fixture(scope="module")
def known(system: System, sink: Any) -> Iterator[Known]:
    with system.client("filtered-runs") as client:

        def store(path: str, **changes: Any) -> str:
            target = {"type": "http", "url": sink.url + path}
            body = {"schedule": FAR, "target": target, "retry": {"max_attempts": 1}, **changes}
            job_id = client.post("/jobs", json=body).json()["id"]
            assert isinstance(job_id, str)
            return job_id

        job = store("/ok", name="right", tags=["nightly", "eu"])
        other = store("/status/500", name="wrong")
        for one in (job, other, job):
            assert client.post(f"/jobs/{one}/trigger").status_code == 202
            wait_until(lambda one=one: all(run["finished_at"] for run in runs_of(client, one)))
        yield Known(client, job, client.get("/runs").json()["items"])


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, [0, 1, 2]),
        ({"order": "asc"}, [2, 1, 0]),
        ({"state": "succeeded"}, [0, 2]),
        ({"state": "failed"}, [1]),
        ({"state": "running"}, []),
        ({"state": "cancelled"}, []),
        ({"trigger": "manual"}, [0, 1, 2]),
        ({"trigger": "schedule"}, []),
        ({"state": "succeeded", "trigger": "manual", "order": "asc"}, [2, 0]),
        ({"state": ["failed", "cancelled"]}, [1]),
        ({"state": ["failed", "succeeded"]}, [0, 1, 2]),
        ({"state": [state.value for state in RunState]}, [0, 1, 2]),
        ({"status_code": "500"}, [1]),
        ({"status_code": ["200", "503"]}, [0, 2]),
        ({"status_code": "404"}, []),
        ({"tag": "nightly"}, [0, 2]),
        ({"tag": ["nightly", "eu"]}, [0, 2]),
        ({"tag": ["nightly", "us"]}, []),
        ({"tag": "nightly", "status_code": "500"}, []),
        ({"backfill_id": "01937b5c-8a00-7000-8000-000000000000"}, []),
    ],
)
def test_runs_of_a_service_are_chosen(
    known: Known, parameters: Parameters, found: list[int]
) -> None:
    assert known.ids("/runs", parameters) == [known.runs[number]["id"] for number in found]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, [0, 2]),
        ({"order": "asc"}, [2, 0]),
        ({"state": "succeeded", "trigger": "manual"}, [0, 2]),
        ({"state": "failed"}, []),
        ({"trigger": "replay"}, []),
        ({"status_code": "200"}, [0, 2]),
        ({"status_code": "500"}, []),
        ({"state": ["running", "failed"]}, []),
    ],
)
def test_runs_of_a_job_are_chosen(known: Known, parameters: Parameters, found: list[int]) -> None:
    ids = [known.runs[number]["id"] for number in found]
    assert known.ids(f"/jobs/{known.job}/runs", parameters) == ids
    assert known.ids("/runs", {"job_id": known.job, **parameters}) == ids


def test_a_window_includes_its_start_and_not_its_end(known: Known) -> None:
    newest, middle, oldest = known.runs
    window = {"since": oldest["scheduled_for"], "before": newest["scheduled_for"]}
    assert known.ids("/runs", window) == [middle["id"], oldest["id"]]
    assert known.ids(f"/jobs/{known.job}/runs", window) == [oldest["id"]]
    assert known.ids("/runs", {"since": newest["scheduled_for"]}) == [newest["id"]]
    far = {"since": "0001-01-01T00:00:00Z", "before": "9998-12-31T23:59:59.999999Z"}
    assert len(known.ids("/runs", far)) == 3
    assert known.ids("/runs", {"before": "1969-01-01T00:00:00Z"}) == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("state", "done"),
        ("state", ""),
        ("trigger", "cron"),
        ("since", "yesterday"),
        ("since", "2026-01-01T00:00:00"),
        ("before", "9999-12-31T23:59:59-14:00"),
        ("order", "newest"),
        ("status_code", "99"),
        ("status_code", "600"),
        ("status_code", "ok"),
        ("backfill_id", "x"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_parameter(
    known: Known, parameter: str, value: str
) -> None:
    for path in ("/runs", f"/jobs/{known.job}/runs"):
        answer = known.client.get(path, params={parameter: value})
        assert wrong_parameters(answer) == [parameter]


def test_a_list_tells_of_jobs_and_how_their_last_attempts_ended(known: Known) -> None:
    told = [(run["job_name"], run["status_code"], run["error"]) for run in known.runs]
    assert [one[:2] for one in told] == [("right", 200), ("wrong", 500), ("right", 200)]
    assert [bool(one[2]) for one in told] == [False, True, False]


def test_a_run_whose_job_is_gone_has_no_name_of_one(
    client: httpx.Client, job_body: Callable[..., Any]
) -> None:
    path = client.post("/jobs", json=job_body(schedule=FAR)).headers["location"]
    assert client.post(f"{path}/trigger").status_code == 202
    wait_until(lambda: client.get("/runs?state=succeeded").json()["items"])
    assert client.delete(path).status_code == 204
    (run,) = client.get("/runs").json()["items"]
    assert (run["job_name"], run["status_code"], run["error"]) == (None, 200, None)


def test_a_backfills_runs_are_chosen(client: httpx.Client, job_body: Callable[..., Any]) -> None:
    body = job_body(schedule={"cron": "0 0 * * *", "start_at": "2026-01-01T00:00:00Z"})
    path = client.post("/jobs", json=body).headers["location"]
    spans = [("2026-11-20", "2026-11-22"), ("2026-11-22", "2026-11-23")]
    ids = [
        client.post(
            f"{path}/backfills", json={"start": f"{start}T00:00:00Z", "end": f"{end}T00:00:00Z"}
        ).json()["id"]
        for start, end in spans
    ]
    wait_until(lambda: len(client.get("/runs?state=succeeded").json()["items"]) == 3)
    for backfill, count in zip(ids, (2, 1), strict=True):
        for address in ("/runs", f"{path}/runs"):
            found = client.get(address, params={"backfill_id": backfill}).json()["items"]
            assert len(found) == count
            assert {run["trigger"] for run in found} == {"backfill"}


def test_a_job_id_that_is_none_is_refused(known: Known) -> None:
    assert wrong_parameters(known.client.get("/runs?job_id=x")) == ["job_id"]


def test_runs_of_no_job_are_not_found_whatever_the_filter(
    known: Known, store: Callable[..., Any]
) -> None:
    for job_id in (uuid4(), store()["id"]):
        answer = known.client.get(f"/jobs/{job_id}/runs", params={"state": "failed"})
        problem(answer, 404)


def test_another_service_sees_none_of_them(stranger: httpx.Client, known: Known) -> None:
    for parameters in ({}, {"state": "failed"}, {"trigger": "manual"}, {"job_id": known.job}):
        assert stranger.get("/runs", params=parameters).json()["items"] == []
