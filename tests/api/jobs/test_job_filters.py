"""`GET /jobs` by filter, search, order and field."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import FAR
from tests.api.problems import wrong_parameters
from tests.processes import System, wait_until

JobBody = Callable[..., dict[str, Any]]
JOBS: dict[str, dict[str, Any]] = {
    "nightly-report": {"tags": ["billing", "night"], "description": "Sends what was sold"},
    "nightly-sync": {"tags": ["night"], "schedule": {"after": "P10D"}},
    "Nightly": {"tags": ["billing"], "description": "Café crème"},
    "sync_orders": {"target": {"type": "http", "url": "https://Orders.Example:8443/x?host=no"}},
    "it's 100%": {"tags": ["team a"], "schedule": {"after": "P20D"}},
    "an-actor": {"target": {"type": "actor", "actor": "noop"}},
}


@pytest.fixture(scope="module")
def stored(system: System) -> Iterator[httpx.Client]:
    """A client whose service has those jobs."""
    with system.client("filtered-jobs") as client:
        for name, changes in JOBS.items():
            target = {"type": "http", "url": "http://reports.example/run"}
            body = {"name": name, "schedule": FAR, "target": target, **changes}
            answer = client.post("/jobs", json=body)
            assert answer.status_code == 201, answer.text
        paused = names(client, {"name_prefix": "Nightly", "fields": "id,name"})
        assert paused == ["Nightly"]
        yield client


def listed(client: httpx.Client, parameters: Any = None) -> list[dict[str, Any]]:
    answer = client.get("/jobs", params=parameters)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["next_cursor"] is None
    items: list[dict[str, Any]] = page["items"]
    return items


def names(client: httpx.Client, parameters: Any = None) -> list[str]:
    return [job["name"] for job in listed(client, parameters)]


NEWEST = list(reversed(JOBS))


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, NEWEST),
        ({"state": "active"}, NEWEST),
        ({"state": "paused"}, []),
        ({"state": "completed"}, []),
        ({"tag": "billing"}, ["Nightly", "nightly-report"]),
        ([("tag", "billing"), ("tag", "night")], ["nightly-report"]),
        ({"tag": "team a"}, ["it's 100%"]),
        ({"tag": "bill"}, []),
        ({"name_prefix": "nightly"}, ["nightly-sync", "nightly-report"]),
        ({"name_prefix": "it's 100%"}, ["it's 100%"]),
        ({"name_prefix": "it_s"}, []),
        ({"target_host": "orders.example"}, ["sync_orders"]),
        ({"target_host": "ORDERS.example"}, ["sync_orders"]),
        ({"target_host": "example"}, []),
        ({"search": "sync"}, ["sync_orders", "nightly-sync"]),
        ({"search": "NIGHT bill"}, ["Nightly", "nightly-report"]),
        ({"search": "ord"}, ["sync_orders"]),
        ({"search": "or"}, []),
        ({"search": "orders.example"}, []),
        ({"search": "sold"}, ["nightly-report"]),
        ({"search": "CAFÉ"}, ["Nightly"]),
        ({"search": "rders"}, []),
        ({"search": "100"}, ["it's 100%"]),
        ({"tag": "night", "search": "report", "state": "active"}, ["nightly-report"]),
        ({"tag": "night", "search": "report", "state": "paused"}, []),
        ({"order": "asc"}, list(JOBS)),
        ({"sort": "created", "order": "desc"}, NEWEST),
        ({"sort": "updated", "tag": "billing"}, ["Nightly", "nightly-report"]),
        ({"sort": "updated", "tag": "billing", "order": "asc"}, ["nightly-report", "Nightly"]),
        ({"sort": "next_fire", "search": "night"}, ["nightly-sync", "nightly-report", "Nightly"]),
        ({"sort": "last_run", "tag": "billing"}, ["Nightly", "nightly-report"]),
    ],
)
def test_filters_choose_and_orders_sort(
    stored: httpx.Client, parameters: Any, found: list[str]
) -> None:
    assert names(stored, parameters) == found


def test_a_window_of_next_fire_times_includes_its_start_and_not_its_end(
    stored: httpx.Client,
) -> None:
    by_name = {job["name"]: job["next_fire_at"] for job in listed(stored)}
    start, end = by_name["nightly-sync"], by_name["it's 100%"]
    assert names(stored, {"next_fire_after": start, "next_fire_before": end}) == ["nightly-sync"]
    assert names(stored, {"next_fire_after": end, "next_fire_before": start}) == []
    assert set(names(stored, {"next_fire_after": end})) == set(JOBS) - {"nightly-sync"}


def test_only_the_fields_asked_for_are_shown(stored: httpx.Client) -> None:
    whole = listed(stored)
    assert listed(stored, {"fields": "name, id,name"}) == [
        {"id": job["id"], "name": job["name"]} for job in whole
    ]
    assert listed(stored, {"fields": ",".join(whole[0])}) == whole


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("state", ["", "ACTIVE", "running"]),
        ("tag", ["", "x" * 65, "\0"]),
        ("name_prefix", ["", "x" * 201, "a\0"]),
        ("target_host", ["", "x" * 254, "\0"]),
        ("next_fire_after", ["", "now", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00"]),
        ("next_fire_before", ["yesterday", "2026-01-01"]),
        ("search", ["", "---", "x" * 201, " ".join("abcdef")]),
        ("sort", ["", "name", "-created"]),
        ("order", ["", "up"]),
        ("fields", ["", "id,", "secret", "id;name", "x" * 501]),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_parameter(
    stored: httpx.Client, parameter: str, values: list[str]
) -> None:
    for value in values:
        answer = stored.get("/jobs", params={parameter: value})
        assert wrong_parameters(answer) == [parameter], value


def test_too_many_tags_are_refused(stored: httpx.Client) -> None:
    answer = stored.get("/jobs", params=[("tag", str(number)) for number in range(21)])
    assert wrong_parameters(answer) == ["tag"]


def test_the_last_run_is_listed_newest_first_only(stored: httpx.Client) -> None:
    answer = stored.get("/jobs", params={"sort": "last_run", "order": "asc"})
    assert wrong_parameters(answer) == ["order"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"search": "night"},
        {"tag": "billing"},
        {"target_host": "reports.example"},
        {"state": "active", "sort": "next_fire"},
        {"sort": "updated"},
        {"sort": "last_run"},
    ],
)
def test_another_service_sees_none_of_them(
    stranger: httpx.Client, stored: httpx.Client, parameters: dict[str, str]
) -> None:
    assert names(stored, parameters)
    assert listed(stranger, parameters) == []


def test_a_list_shows_at_once_what_its_service_changed(
    client: httpx.Client, job_body: JobBody
) -> None:
    path = client.post("/jobs", json=job_body(name="old words", schedule=FAR)).headers["location"]
    assert names(client, {"search": "old"}) == ["old words"]
    client.patch(path, json={"name": "new words", "tags": ["t"], "target": job_body()["target"]})
    assert names(client, {"search": "old"}) == []
    assert names(client, {"search": "new", "tag": "t", "target_host": "127.0.0.1"}) == ["new words"]
    client.post(f"{path}/pause")
    assert names(client, {"state": "paused"}) == ["new words"]
    assert names(client, {"state": "active"}) == []
    client.post(f"{path}/resume")
    assert names(client, {"state": "active", "sort": "next_fire"}) == ["new words"]
    client.delete(path)
    assert names(client, {"search": "new"}) == names(client, {"sort": "updated"}) == []


def test_jobs_are_listed_as_changed_last_and_run_last(
    client: httpx.Client, job_body: JobBody
) -> None:
    paths = [
        client.post("/jobs", json=job_body(name=name, schedule=FAR)).headers["location"]
        for name in "abc"
    ]
    client.patch(paths[1], json={"description": "changed"})
    client.post(f"{paths[0]}/trigger")
    assert names(client, {"sort": "updated"}) == ["b", "c", "a"]
    assert names(client, {"sort": "last_run"}) == ["a", "c", "b"]


def test_a_job_that_has_fired_moves_to_the_completed_ones(
    client: httpx.Client, job_body: JobBody
) -> None:
    client.post("/jobs", json=job_body(name="once", schedule={"after": "PT2S"}))
    assert names(client, {"state": "active"}) == ["once"]
    wait_until(lambda: names(client, {"state": "completed"}) == ["once"], what="it has fired")
    assert (
        names(client, {"state": "active"}) == names(client, {"sort": "next_fire", "limit": 1})[1:]
    )
