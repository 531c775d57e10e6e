"""Backfills over HTTP: counted, started, read, listed, cancelled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.api.conftest import JSON
from tests.api.problems import problem, wrong_parameters, wrong_values
from tests.processes import wait_until

Store = Callable[..., Any]
DAILY = {"cron": "0 3 * * *"}
NOBODY = UUID(int=7 << 76)
WEEK = {"start": "2026-01-05T00:00:00Z", "end": "2026-01-12T00:00:00Z"}


@pytest.fixture
def ringable(store: Store, sink: SinkProcess) -> Callable[..., str]:
    """Stores a job that fires daily at 03:00 UTC; returns the path of its backfills."""

    def make(path: str = "/ok", **changes: Any) -> str:
        target = {"type": "http", "url": sink.url + path}
        job = store(schedule=DAILY, target=target, **changes)
        return f"/jobs/{job['id']}/backfills"

    return make


@pytest.mark.promise("backfill requests")
def test_a_dry_run_counts_and_makes_nothing(
    api: httpx.Client, ringable: Callable[..., str]
) -> None:
    path = ringable()
    answer = api.post(path, json={**WEEK, "dry_run": True})
    assert answer.status_code == 202
    assert "location" not in answer.headers
    counted = answer.json()
    assert (counted["id"], counted["dry_run"], counted["state"]) == (None, True, "dry_run")
    assert (counted["total"], counted["run_count"], counted["done_count"]) == (7, 7, 0)
    assert api.get(path).json() == {"items": [], "next_cursor": None}
    assert api.get(path.replace("backfills", "runs")).json()["items"] == []


def test_the_range_includes_its_start_and_not_its_end(
    api: httpx.Client, ringable: Callable[..., str]
) -> None:
    path = ringable()
    for start, end, total in (
        ("2026-01-05T03:00:00Z", "2026-01-06T03:00:00Z", 1),
        ("2026-01-05T03:00:00Z", "2026-01-06T03:00:00.000001Z", 2),
        ("2026-01-05T03:00:00.000001Z", "2026-01-06T03:00:00Z", 0),
        ("1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z", 31),
    ):
        body = {"start": start, "end": end, "dry_run": True}
        assert api.post(path, json=body).json()["total"] == total


def test_a_backfill_runs_each_fire_time_and_then_only_what_is_missing(
    api: httpx.Client, ringable: Callable[..., str]
) -> None:
    path = ringable()
    days = (datetime.now(UTC).date() - timedelta(days=back) for back in (4, 1))
    start, end = (f"{day}T00:00:00Z" for day in days)
    started = api.post(path, json={"start": start, "end": end, "overlap": "allow_all"})
    assert started.status_code == 202
    address = started.headers["location"]
    assert address == f"/backfills/{started.json()['id']}"
    wait_until(lambda: _succeeded(api, path) == 3, what="the backfill's runs succeeded", seconds=60)
    done = api.get(address).json()
    assert (done["state"], done["done_count"], done["run_count"]) == ("completed", 3, 3)
    assert done["finished_at"] is not None
    runs = api.get(path.replace("backfills", "runs")).json()["items"]
    assert {run["trigger"] for run in runs} == {"backfill"}
    assert {run["scheduled_for"][10:] for run in runs} == {"T03:00:00.000000Z"}
    more = {"start": start, "end": end, "dry_run": True}
    missing = api.post(path, json={**more, "only_missing": True}).json()
    assert (missing["total"], missing["run_count"]) == (3, 0)
    assert api.post(path, json=more).json()["run_count"] == 3


def test_a_cancelled_backfill_makes_no_more_runs(
    api: httpx.Client, ringable: Callable[..., str]
) -> None:
    body = {"start": "2020-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z", "runs_per_minute": 1}
    address = api.post(ringable(), json=body).headers["location"]
    first, second = (api.post(f"{address}/cancel") for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json() == api.get(address).json()
    assert first.json()["state"] == "cancelled"
    assert first.json()["run_count"] <= 1


def test_backfills_are_listed_newest_first(api: httpx.Client, ringable: Callable[..., str]) -> None:
    path = ringable()
    body = {"start": "2026-01-05T04:00:00Z", "end": "2026-01-05T05:00:00Z"}
    ids = [api.post(path, json=body).json()["id"] for _ in range(5)][::-1]
    walked, cursor = [], None
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = api.get(path, params=parameters).json()
        walked += [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert walked == ids


def test_another_services_backfill_does_not_exist(
    api: httpx.Client, stranger: httpx.Client, ringable: Callable[..., str]
) -> None:
    path = ringable()
    address = api.post(path, json=WEEK | {"end": "2026-01-05T01:00:00Z"}).headers["location"]
    for client, theirs in ((stranger, address), (api, f"/backfills/{NOBODY}")):
        problem(client.get(theirs), 404)
        problem(client.post(f"{theirs}/cancel"), 404)
    problem(stranger.post(path, json=WEEK), 404)
    problem(stranger.get(path), 404)
    problem(api.get(f"/jobs/{NOBODY}/backfills"), 404)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ('"end": "2026-01-05T00:00:00Z"', "/end"),
        ('"end": "2026-01-04T00:00:00Z"', "/end"),
        ('"end": "9999-12-31T23:59:59Z"', "/end"),
        ('"end": "9999-12-31T23:59:59-14:00"', "/end"),
        ('"end": null', "/end"),
        ('"start": "2026-01-05T00:00:00"', "/start"),
        ('"start": "1969-12-31T23:59:59Z"', "/start"),
        ('"start": "0001-01-01T00:00:00Z"', "/start"),
        ('"start": "0001-01-01T00:00:00+14:00"', "/start"),
        ('"start": "2026-02-30T00:00:00Z"', "/start"),
        ('"runs_per_minute": 0', "/runs_per_minute"),
        ('"runs_per_minute": 60001', "/runs_per_minute"),
        ('"runs_per_minute": ' + "9" * 400, "/runs_per_minute"),
        ('"overlap": "never"', "/overlap"),
        ('"overlap": null', "/overlap"),
        ('"only_missing": 1', "/only_missing"),
        ('"dry_run": "no"', "/dry_run"),
        ('"nope": 1', "/nope"),
    ],
)
def test_a_wrong_backfill_is_refused(
    api: httpx.Client, ringable: Callable[..., str], changes: str, pointer: str
) -> None:
    path = ringable()
    content = '{"start": "2026-01-05T00:00:00Z", "end": "2026-01-12T00:00:00Z", ' + changes + "}"
    assert wrong_values(api.post(path, content=content, headers=JSON)) == [pointer]
    assert api.get(path).json()["items"] == []


def test_a_backfill_needs_a_range(api: httpx.Client, ringable: Callable[..., str]) -> None:
    path = ringable()
    assert wrong_values(api.post(path)) == [""]
    assert wrong_values(api.post(path, json={})) == ["/start", "/end"]
    assert wrong_values(api.post(path, json={"start": WEEK["start"]})) == ["/end"]


def test_a_range_of_too_many_fire_times_is_refused(api: httpx.Client, store: Store) -> None:
    path = f"/jobs/{store(schedule={'every': 1})['id']}/backfills"
    body = {"start": "1970-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
    assert wrong_values(api.post(path, json=body)) == ["/end"]


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "201"), ("cursor", "x")])
def test_a_wrong_parameter_of_the_list_is_refused(
    api: httpx.Client, ringable: Callable[..., str], name: str, value: str
) -> None:
    assert wrong_parameters(api.get(ringable(), params={name: value})) == [name]


def _succeeded(api: httpx.Client, path: str) -> int:
    runs = api.get(path.replace("backfills", "runs")).json()["items"]
    return sum(run["state"] == "succeeded" for run in runs)
