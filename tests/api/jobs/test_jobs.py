"""A job over HTTP: stored, read, changed, paused, resumed, triggered, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.api.problems import problem
from tests.processes import wait_until

JobBody = Callable[..., dict[str, Any]]
Store = Callable[..., Any]
PLAIN = {"jitter": "P0D", "gap": "run_after", "fold": "first"}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.mark.promise("defaults")
def test_a_stored_job_is_answered_as_sent_with_defaults_filled_in(
    api: httpx.Client, sink: SinkProcess
) -> None:
    url = f"{sink.url}/ok"
    sent = {"schedule": {"cron": "0 3 * * *"}, "target": {"type": "http", "url": url}}
    answer = api.post("/jobs", json=sent)
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert answer.headers["etag"].startswith('"1-')
    assert answer.headers["content-type"] == "application/json"
    assert UUID(job.pop("id")).version == 7
    for name in ("next_fire_at", "created_at", "updated_at"):
        assert INSTANT.fullmatch(job.pop(name))
    assert job == {
        "name": "unnamed",
        "description": "",
        "tags": [],
        "schedule": {"cron": "0 3 * * *", "timezone": "UTC", **PLAIN},
        "target": {"type": "http", "url": url, "method": "POST", "headers": {}, "timeout": "PT30S"},
        "retry": {
            "max_attempts": 5,
            "min_backoff": "PT5S",
            "max_backoff": "PT300S",
            "multiplier": 2.0,
            "jitter": True,
            "max_retry_duration": None,
            "pause_on_failure": False,
        },
        "overlap": "skip",
        "catchup": {"window": "PT60S", "coalesce": "latest", "limit": 10},
        "state": "active",
        "pause_reason": None,
        "version": 1,
    }


def test_every_field_is_kept_as_sent(api: httpx.Client, sink: SinkProcess) -> None:
    sent = {
        "name": "nächtlicher Bericht 🌙",
        "description": "line 1\nline 2",
        "tags": ["reports", "nightly"],
        "schedule": {
            "specs": [
                {"cron": "30 2 * * mon-fri"},
                {"every": "PT3600S", "phase": "PT60S"},
                {"rrule": "DTSTART:20260101T000000\nRRULE:FREQ=YEARLY"},
            ],
            "timezone": "Europe/London",
            "exclude": [
                {"date": "2026-12-25"},
                {"from": "2026-12-28", "to": "2026-12-31"},
                {"at": "2027-01-01T02:30:00.000000Z"},
                {"cron": "* * * * sun"},
            ],
            "start_at": "2026-11-01T00:00:00.000000Z",
            "end_at": "2099-11-01T00:00:00.000000Z",
            "max_runs": 1000,
            "jitter": "PT60S",
            "gap": "skip",
            "fold": "both",
        },
        "target": {
            "type": "http",
            "url": f"{sink.url}/ok?a=1&b=%C3%A4",
            "method": "PUT",
            "headers": {"X-Kind": "nightly", "content-type": "application/vnd.x+json"},
            "body": {"full": True, "n": [1, 2.5, None], "text": "ü\u0000"},
            "timeout": "PT12.5S",
        },
        "retry": {
            "max_attempts": 3,
            "min_backoff": "PT1S",
            "max_backoff": "PT60S",
            "multiplier": 1.5,
            "jitter": False,
            "max_retry_duration": "PT1800S",
            "pause_on_failure": True,
        },
        "overlap": "buffer_one",
        "catchup": {"window": "PT3600S", "coalesce": "all", "limit": 3},
    }
    created = api.post("/jobs", json=sent).json()
    assert {name: created[name] for name in sent} == sent
    assert api.get(f"/jobs/{created['id']}").json() == created


@pytest.mark.parametrize(
    "text", ['{"b": 1,  "a": 1e400, "a": 9007199254740993}', '"plain"', "null"]
)
def test_a_target_body_is_kept_to_the_letter(
    api: httpx.Client, sink: SinkProcess, text: str
) -> None:
    target = f'{{"type": "http", "url": "{sink.url}/ok", "body": {text}}}'
    content = f'{{"schedule": {{"after": "P30D"}}, "target": {target}}}'
    answer = api.post("/jobs", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 201, answer.text
    assert f'"body":{text}' in api.get(answer.headers["location"]).text


@pytest.mark.promise("durations")
@pytest.mark.parametrize(
    ("sent", "answered"),
    [("PT1H30M", "PT5400S"), (5400, "PT5400S"), (90.25, "PT90.25S"), ("P1DT1S", "P1DT1S")],
)
def test_durations_are_taken_as_iso_8601_or_seconds_and_answered_as_iso_8601(
    store: Store, sent: object, answered: str
) -> None:
    assert store(schedule={"every": sent})["schedule"]["every"] == answered
    assert store(schedule={"after": sent})["schedule"]["after"] == answered


@pytest.mark.promise("at")
@pytest.mark.parametrize(
    ("schedule", "instant"),
    [
        ({"at": "2099-06-01T12:00:00", "timezone": "Europe/London"}, "2099-06-01T11:00:00.000000Z"),
        ({"at": "2099-12-01T12:00:00", "timezone": "Asia/Kolkata"}, "2099-12-01T06:30:00.000000Z"),
        ({"at": "2099-06-01T12:00:00"}, "2099-06-01T12:00:00.000000Z"),
        ({"at": "2099-06-01T12:00:00.25+02:00"}, "2099-06-01T10:00:00.250000Z"),
        ({"at": "9998-12-31T23:59:59Z"}, "9998-12-31T23:59:59.000000Z"),
    ],
)
def test_an_instant_is_answered_in_utc(store: Store, schedule: object, instant: str) -> None:
    job = store(schedule=schedule)
    assert job["schedule"]["at"] == job["next_fire_at"] == instant


@pytest.mark.promise("after")
def test_a_delay_counts_from_acceptance(store: Store) -> None:
    job = store(schedule={"after": "PT1H"})
    after = datetime.fromisoformat(job["next_fire_at"]) - datetime.fromisoformat(job["created_at"])
    assert after == timedelta(hours=1)


def test_an_interval_counts_from_the_epoch(store: Store) -> None:
    upcoming = datetime.fromisoformat(store(schedule={"every": "PT7H"})["next_fire_at"])
    assert upcoming.timestamp() % (7 * 3600) == 0
    assert timedelta(0) <= upcoming - datetime.now(UTC) <= timedelta(hours=7)


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", "renamed"), ("description", "why"), ("tags", ["a", "b"]), ("tags", [])],
)
def test_a_plain_field_is_changed_and_nothing_else(
    api: httpx.Client, store: Store, name: str, value: object
) -> None:
    job = store(tags=["old"])
    answer = api.patch(f"/jobs/{job['id']}", json={name: value})
    assert answer.status_code == 200
    assert answer.headers["etag"].startswith('"2-')
    changed = answer.json()
    assert changed["updated_at"] > job["updated_at"]
    expected = {**job, name: value, "version": 2, "updated_at": changed["updated_at"]}
    assert changed == expected
    assert api.get(f"/jobs/{job['id']}").json() == expected


def test_a_schedule_of_another_kind_moves_the_next_fire_time(
    api: httpx.Client, store: Store
) -> None:
    job = store(schedule={"cron": "0 3 * * *", "timezone": "Europe/London"})
    other = {"cron": None, "at": "2099-01-01T00:00:00Z"}
    changed = api.patch(f"/jobs/{job['id']}", json={"schedule": other})
    schedule = {"at": "2099-01-01T00:00:00.000000Z", "timezone": "Europe/London", **PLAIN}
    assert changed.json()["schedule"] == schedule
    assert changed.json()["next_fire_at"] == "2099-01-01T00:00:00.000000Z"


def test_a_completed_job_fires_again_with_a_new_schedule(
    api: httpx.Client, job_body: JobBody
) -> None:
    job_id = _completed(api, job_body)
    changed = api.patch(f"/jobs/{job_id}", json={"schedule": {"after": "P1D"}}).json()
    assert changed["state"] == "active"
    assert changed["next_fire_at"] is not None


def test_a_deleted_job_is_gone(api: httpx.Client, store: Store) -> None:
    path = f"/jobs/{store()['id']}"
    answer = api.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    problem(api.get(path), 404)
    problem(api.delete(path), 404)
    problem(api.get(f"{path}/runs"), 404)


def test_a_job_is_paused_and_resumed_as_often_as_one_likes(api: httpx.Client, store: Store) -> None:
    job = store(schedule={"cron": "0 3 * * *"})
    first, second = (api.post(f"/jobs/{job['id']}/pause") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.headers["etag"].startswith('"2-')
    assert (first.json()["state"], first.json()["next_fire_at"]) == ("paused", None)
    assert api.get(f"/jobs/{job['id']}").json() == first.json()

    first, second = (api.post(f"/jobs/{job['id']}/resume") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert (first.json()["state"], first.json()["version"]) == ("active", 3)
    assert first.json()["next_fire_at"] == job["next_fire_at"]


def test_a_completed_job_cannot_be_paused(api: httpx.Client, job_body: JobBody) -> None:
    job_id = _completed(api, job_body)
    problem(api.post(f"/jobs/{job_id}/pause"), 409)
    assert api.get(f"/jobs/{job_id}").json()["state"] == "completed"


def test_a_trigger_is_accepted_and_answered_with_its_run(api: httpx.Client, store: Store) -> None:
    job = store()
    answer = api.post(f"/jobs/{job['id']}/trigger")
    assert answer.status_code == 202
    run = answer.json()
    assert answer.headers["location"] == f"/runs/{run['id']}"
    assert (run["job_id"], run["trigger"], run["state"]) == (job["id"], "manual", "scheduled")
    assert run["scheduled_for"] == run["due_at"]
    assert (run["started_at"], run["finished_at"], run["lateness_ms"]) == (None, None, None)
    read = api.get(answer.headers["location"])
    assert read.status_code == 200
    assert read.json()["id"] == run["id"]


def test_two_triggers_are_two_runs(api: httpx.Client, store: Store) -> None:
    path = f"/jobs/{store()['id']}"
    triggered = {api.post(f"{path}/trigger").json()["id"] for _ in range(5)}
    assert {run["id"] for run in api.get(f"{path}/runs").json()["items"]} == triggered
    assert len(triggered) == 5


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/{job}"),
        ("PATCH", "/jobs/{job}"),
        ("DELETE", "/jobs/{job}"),
        ("POST", "/jobs/{job}/pause"),
        ("POST", "/jobs/{job}/resume"),
        ("POST", "/jobs/{job}/trigger"),
        ("GET", "/jobs/{job}/runs"),
        ("GET", "/jobs/{job}/ledger"),
        ("GET", "/jobs/{job}/preview"),
        ("GET", "/jobs/{job}/backfills"),
        ("GET", "/runs/{run}"),
        ("POST", "/runs/{run}/cancel"),
        ("POST", "/runs/{run}/replay"),
    ],
)
def test_what_another_service_owns_does_not_exist(
    api: httpx.Client, stranger: httpx.Client, store: Store, method: str, path: str
) -> None:
    job = store()
    run = api.post(f"/jobs/{job['id']}/trigger").json()
    theirs = path.format(job=job["id"], run=run["id"])
    nowhere = path.format(job=UUID(int=7 << 76), run=UUID(int=7 << 76))
    body = {"name": "mine now"} if method == "PATCH" else None
    refusal = problem(stranger.request(method, theirs, json=body), 404)
    unknown = problem(stranger.request(method, nowhere, json=body), 404)
    assert refusal["type"] == unknown["type"]
    assert api.get(f"/jobs/{job['id']}").json() == job


def test_a_service_reads_each_of_its_writes_at_once(api: httpx.Client, store: Store) -> None:
    path = f"/jobs/{store()['id']}"
    for version in range(2, 202):
        assert api.patch(path, json={"name": f"version {version}"}).status_code == 200
        read = api.get(path).json()
        assert (read["version"], read["name"]) == (version, f"version {version}")


def test_reads_are_answered_by_the_replica(api: httpx.Client, store: Store) -> None:
    def answered() -> float:
        found = re.search(r'^tocsin_reads_total\{server="replica"\} (.+)$', metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def metrics() -> str:
        return api.get("/metrics").text

    path, before = f"/jobs/{store()['id']}", answered()

    def read() -> bool:
        assert api.get(path).status_code == 200
        return answered() > before

    wait_until(read, what="a read from the replica")


def _completed(api: httpx.Client, job_body: JobBody) -> str:
    """A job whose only fire time has passed, and its run has ended."""
    job_id: str = api.post("/jobs", json=job_body(schedule={"after": 0})).json()["id"]

    def completed() -> bool:
        runs = api.get(f"/jobs/{job_id}/runs").json()["items"]
        ended = bool(runs) and all(run["finished_at"] for run in runs)
        return ended and bool(api.get(f"/jobs/{job_id}").json()["state"] == "completed")

    wait_until(completed, what="completed")
    return job_id
