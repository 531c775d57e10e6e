"""A service has no more than it may; refusals say what, and where."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from commands.backfills.continue_backfills import continue_backfills
from storage.postgres.pools import Database
from tests.access.conftest import calling, new_key, new_service
from tests.processes import System

JOB: dict[str, Any] = {
    "schedule": {"every": "P1D"},
    "target": {"type": "actor", "actor": "noop"},
}


@pytest.fixture
def client(installation: System, operator: httpx.Client, service_id: str):
    key = new_key(operator, service_id, "read", "operate", "write").json()["key"]
    with calling(installation, key) as calls:
        yield calls


@pytest.fixture
def limit(operator: httpx.Client, service_id: str, client: httpx.Client):
    """Sets limits, and returns when they hold."""

    def put(**limits: int) -> None:
        changed = operator.patch(f"/services/{service_id}", json={"limits": limits})
        assert changed.status_code == 200, changed.text
        deadline = datetime.now(UTC) + timedelta(seconds=1.2)  # keys are looked up each second
        while datetime.now(UTC) < deadline:
            client.get("/me")

    return put


def test_a_service_stores_as_many_jobs_as_it_may(limit: Any, client: httpx.Client) -> None:
    limit(jobs=2)
    made = [client.post("/jobs", json=JOB) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 403]
    assert made[2].json()["type"] == "urn:tocsin:problem:quota-exceeded"
    assert "2 jobs" in made[2].json()["detail"]
    assert len(client.get("/jobs").json()["items"]) == 2
    # Deleting makes room, for one.
    assert client.delete(made[0].headers["location"]).status_code == 204
    assert [client.post("/jobs", json=JOB).status_code for _ in range(2)] == [201, 403]


def test_jobs_that_come_together_are_counted(limit: Any, client: httpx.Client) -> None:
    limit(jobs=10)
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: client.post("/jobs", json=JOB).status_code, range(60)))
    assert set(made) == {201, 403}
    stored = len(client.get("/jobs", params={"limit": 200}).json()["items"])
    assert stored == made.count(201) == 10


def test_schedules_that_fire_too_often_are_refused(limit: Any, client: httpx.Client) -> None:
    job = client.post("/jobs", json={**JOB, "schedule": {"every": "PT1M"}})
    limit(min_interval_seconds=120)
    for schedule in (
        {"every": "PT119S"},
        {"cron": "* * * * *"},
        {"cron": "0,1 0 1 * *"},
        {"specs": [{"cron": "0 3 * * *"}, {"cron": "1 3 * * *"}]},
        {"rrule": "DTSTART:20260101T000000Z\nRRULE:FREQ=MINUTELY"},
    ):
        for answer in (
            client.post("/jobs", json={**JOB, "schedule": schedule}),
            client.patch(job.headers["location"], json={"schedule": {"every": None, **schedule}}),
        ):
            assert answer.status_code == 422, (schedule, answer.text)
            assert answer.json()["errors"][0]["pointer"].startswith("/schedule")
            assert "120 s apart" in answer.json()["detail"]
    for schedule in ({"every": "PT2M"}, {"cron": "*/2 * * * *"}, {"after": "PT0S"}):
        assert client.post("/jobs", json={**JOB, "schedule": schedule}).status_code == 201
    # What is stored goes on; the rest of it may be changed.
    renamed = client.patch(job.headers["location"], json={"name": "still every minute"})
    assert renamed.status_code == 200


def test_targets_that_are_sent_too_much_are_refused(limit: Any, client: httpx.Client) -> None:
    job = client.post("/jobs", json=JOB)
    limit(payload_bytes=10)
    actor = {"type": "actor", "actor": "noop"}
    web = {"type": "http", "url": "https://example.com/"}
    for target, pointer in (
        ({**actor, "payload": "x" * 9}, "/target/payload"),
        ({**web, "body": {"a": "bcdefg"}}, "/target/body"),
    ):
        for answer in (
            client.post("/jobs", json={**JOB, "target": target}),
            client.patch(job.headers["location"], json={"target": {"actor": None, **target}}),
        ):
            assert answer.status_code == 422, answer.text
            assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    for target in ({**actor, "payload": "x" * 8}, web):
        assert client.post("/jobs", json={**JOB, "target": target}).status_code == 201


async def go_on_with_backfills(installation: System) -> None:
    database = Database(installation.urls.primary)
    await continue_backfills(datetime.now(UTC), database)
    await database.close()


def test_runs_are_shown_as_far_back_as_the_service_may_look(
    limit: Any, client: httpx.Client, installation: System
) -> None:
    job = client.post("/jobs", json=JOB)
    path = job.headers["location"]
    now = datetime.now(UTC)
    times = {
        "start": (now - timedelta(days=5)).isoformat(),
        "end": (now - timedelta(days=1)).isoformat(),
    }
    assert client.post(f"{path}/backfills", json=times).status_code == 202
    asyncio.run(go_on_with_backfills(installation))
    manual = client.post(f"{path}/trigger").json()["id"]
    runs = client.get("/runs").json()["items"]
    limit(history_days=3)
    horizon = now - timedelta(days=3)
    assert any(datetime.fromisoformat(run["scheduled_for"]) < horizon for run in runs)
    for list_path in ("/runs", f"{path}/runs"):
        shown = client.get(list_path).json()["items"]
        assert manual in {run["id"] for run in shown}
        assert all(datetime.fromisoformat(run["scheduled_for"]) >= horizon for run in shown)
        older = {"since": (now - timedelta(days=6)).isoformat()}
        assert len(client.get(list_path, params=older).json()["items"]) == len(shown)
    for run in runs:
        there = datetime.fromisoformat(run["scheduled_for"]) >= horizon
        assert client.get(f"/runs/{run['id']}").status_code == (200 if there else 404)


def test_limits_are_merged_and_null_is_as_for_every_service(operator: httpx.Client) -> None:
    path = f"/services/{new_service(operator)}"
    merge = {"content-type": "application/merge-patch+json"}

    def patch(content: str) -> dict[str, int]:
        answer = operator.patch(path, content=content, headers=merge)
        assert answer.status_code == 200, answer.text
        limits: dict[str, int] = answer.json()["limits"]
        assert operator.get(path).json()["limits"] == limits
        return limits

    plain = patch("{}")
    assert patch('{"limits": {"jobs": 5}}') == {**plain, "jobs": 5}
    assert patch('{"limits": {"payload_bytes": 9}}') == {**plain, "jobs": 5, "payload_bytes": 9}
    assert patch('{"limits": {"jobs": null}}') == {**plain, "payload_bytes": 9}
    assert patch('{"limits": null}') == plain


@pytest.mark.parametrize(
    "limits",
    [
        {"jobs": -1},
        {"reads_per_minute": 0},
        {"min_interval_seconds": 0},
        {"payload_bytes": 1_000_000},
        {"history_days": 0},
        {"unknown": 1},
        {"unknown": None},
        {"jobs": "5", "payload_bytes": "9"},
    ],
)
def test_limits_that_make_no_sense_are_refused(
    operator: httpx.Client, limits: dict[str, Any]
) -> None:
    refused = operator.patch(f"/services/{new_service(operator)}", json={"limits": limits})
    assert refused.status_code == 422
    pointers = [error["pointer"] for error in refused.json()["errors"]]
    assert pointers == [f"/limits/{name}" for name in limits]
