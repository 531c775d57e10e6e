"""Cursors belong to one list, and stay right while rows come and go."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest

from app.requests.cursors import FilteredCursors
from domain.filters.job_filter import JobFilter, JobOrder, JobSort, Order
from domain.filters.keyset import AssociatedData
from domain.filters.run_filter import RunFilter
from tests.api.conftest import FAR
from tests.api.problems import wrong_parameters
from tests.processes import System

JobBody = Callable[..., dict[str, Any]]
JOBS_BY_CHANGE = ("jobs", JobFilter(), JobOrder(sort=JobSort.UPDATED))
JOB_LISTS: list[dict[str, str]] = [
    {},
    {"order": "asc"},
    {"sort": "updated"},
    {"sort": "updated", "order": "asc"},
    {"sort": "next_fire"},
    {"sort": "next_fire", "order": "desc"},
    {"sort": "last_run"},
    {"tag": "odd"},
    {"search": "job"},
    {"state": "active"},
    {"state": "active", "tag": "odd", "sort": "updated"},
]


def numbered(number: int) -> dict[str, Any]:
    tags = ["odd"] if number % 2 else []
    return {"name": f"job {number}", "tags": tags, "schedule": {"after": f"P{30 + number}D"}}


@pytest.fixture(scope="module")
def nine_jobs(system: System) -> Iterator[httpx.Client]:
    """A client whose service has nine jobs."""
    with system.client("nine-jobs") as client:
        for number in range(9):
            target = {"type": "http", "url": "http://h/"}
            path = client.post("/jobs", json={**numbered(number), "target": target})
            assert path.status_code == 201
        yield client


def walk(
    client: httpx.Client,
    path: str,
    parameters: dict[str, str],
    limit: int,
    between: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """The ids of all pages, with something done behind each."""
    ids: list[str] = []
    cursor: str | None = None
    for number in range(100):
        more = {} if cursor is None else {"cursor": cursor}
        answer = client.get(path, params={**parameters, **more, "limit": str(limit)})
        assert answer.status_code == 200, answer.text
        ids += [item["id"] for item in answer.json()["items"]]
        if (cursor := answer.json()["next_cursor"]) is None:
            return ids
        between(number)
    raise AssertionError("The list does not end.")


def first_cursor(client: httpx.Client, parameters: dict[str, str]) -> str:
    cursor = client.get("/jobs", params={**parameters, "limit": "1"}).json()["next_cursor"]
    assert isinstance(cursor, str)
    return cursor


@pytest.mark.parametrize("parameters", JOB_LISTS, ids=str)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_hold_what_one_page_holds(
    nine_jobs: httpx.Client, parameters: dict[str, str], limit: int
) -> None:
    whole = walk(nine_jobs, "/jobs", parameters, 200)
    assert len(whole) == (4 if "tag" in parameters else 9)
    assert walk(nine_jobs, "/jobs", parameters, limit) == whole


@pytest.mark.parametrize(("own", "other"), list(pairwise([*JOB_LISTS, JOB_LISTS[0]])), ids=str)
def test_a_cursor_is_refused_by_another_list(
    nine_jobs: httpx.Client, own: dict[str, str], other: dict[str, str]
) -> None:
    cursor = first_cursor(nine_jobs, own)
    assert nine_jobs.get("/jobs", params={**own, "cursor": cursor}).status_code == 200
    refused = nine_jobs.get("/jobs", params={**other, "cursor": cursor})
    assert wrong_parameters(refused) == ["cursor"]


def test_a_cursor_of_jobs_is_refused_by_runs_and_the_other_way_round(
    nine_jobs: httpx.Client,
) -> None:
    job = nine_jobs.get("/jobs", params={"limit": 1}).json()["items"][0]["id"]
    for _ in range(2):
        assert nine_jobs.post(f"/jobs/{job}/trigger").status_code == 202
    lists = ["/jobs", "/runs", f"/jobs/{job}/runs", f"/runs?job_id={job}"]
    cursors = [
        nine_jobs.get(path, params={"limit": 1}).json()["next_cursor"]
        if "?" not in path
        else nine_jobs.get(f"{path}&limit=1").json()["next_cursor"]
        for path in lists
    ]
    for path in lists:
        for other, cursor in zip(lists, cursors, strict=True):
            sign = "&" if "?" in path else "?"
            answer = nine_jobs.get(f"{path}{sign}cursor={cursor}")
            assert (answer.status_code == 200) == (path == other), (path, other)


def test_a_cursor_that_was_tampered_with_is_refused(nine_jobs: httpx.Client) -> None:
    cursor = first_cursor(nine_jobs, {"sort": "updated"})
    raw = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    # The list's name is what cannot be guessed; behind it stands a place, which may be any.
    for place in range(12):
        broken = bytearray(raw)
        broken[place] ^= 1
        answer = nine_jobs.get(
            "/jobs",
            params={"sort": "updated", "cursor": urlsafe_b64encode(broken).decode().rstrip("=")},
        )
        assert wrong_parameters(answer) == ["cursor"], place
    for text in (cursor[:-1], cursor + "A", cursor + "=", " " + cursor, cursor[:10]):
        answer = nine_jobs.get("/jobs", params={"sort": "updated", "cursor": text})
        assert wrong_parameters(answer) == ["cursor"], text


@pytest.mark.parametrize("path", ["/runs", "/jobs"])
@pytest.mark.parametrize("at", [-(1 << 62), 253_402_300_799_999_999, 1 << 62, None])
@pytest.mark.parametrize("key", [b"\xff" * 16, b"", 5, -1])
def test_a_cursor_that_was_made_up_does_no_harm(
    nine_jobs: httpx.Client, path: str, at: int | None, key: bytes | int
) -> None:
    named = {"/runs": ("runs", "service", RunFilter(), Order.DESC), "/jobs": JOBS_BY_CHANGE}
    good = FilteredCursors(*named[path]).behind(AssociatedData(at=None, id=0))
    name, *_ = msgspec.msgpack.decode(urlsafe_b64decode(good + "=" * (-len(good) % 4)))
    made = msgspec.msgpack.encode((name, at, key))
    cursor = urlsafe_b64encode(made).decode().rstrip("=")
    order = {"sort": "updated"} if path == "/jobs" else {}
    answer = nine_jobs.get(path, params={**order, "cursor": cursor})
    if answer.status_code != 200:
        assert wrong_parameters(answer) == ["cursor"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"tag": "walked"},
        {"search": "walked", "order": "asc"},
        {"sort": "updated", "order": "asc", "tag": "walked"},
        {"sort": "next_fire", "state": "active"},
    ],
    ids=str,
)
def test_a_walk_meets_each_job_once_while_others_come_and_go(
    client: httpx.Client, job_body: JobBody, parameters: dict[str, str]
) -> None:
    def store() -> str:
        made = client.post("/jobs", json=job_body(tags=["walked"], schedule=FAR))
        job_id = made.json()["id"]
        assert isinstance(job_id, str)
        return job_id

    staying = [store() for _ in range(10)]
    going = [store() for _ in range(4)]

    def disturb(number: int) -> None:
        store()
        if number < len(going):
            assert client.delete(f"/jobs/{going[number]}").status_code == 204

    walked = walk(client, "/jobs", parameters, 3, disturb)
    assert len(walked) == len(set(walked))
    assert set(staying) <= set(walked)


def test_another_limit_or_other_fields_go_on_with_the_same_cursor(nine_jobs: httpx.Client) -> None:
    cursor = first_cursor(nine_jobs, {"tag": "odd"})
    answer = nine_jobs.get(
        "/jobs", params={"tag": "odd", "cursor": cursor, "limit": 2, "fields": "name"}
    )
    assert answer.json()["items"] == [{"name": "job 5"}, {"name": "job 3"}]
