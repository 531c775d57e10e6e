"""Lists: keyset pages, newest first, that neither skip nor repeat while others write."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.msgpack import Decoder

from app.requests.cursors import Cursors
from tests.api.conftest import FAR
from tests.api.problems import wrong_parameters

JobBody = Callable[..., dict[str, Any]]
Store = Callable[..., Any]
LISTS = [
    "/jobs",
    "/jobs/{job}/runs",
    "/jobs/{job}/ledger",
    "/jobs/{job}/backfills",
    "/runs",
    "/calendars",
]
OLD = datetime(1970, 1, 1, tzinfo=UTC)
KEYS: dict[str, Any] = {
    "/jobs": UUID(int=0),
    "/jobs/{job}/runs": (OLD, 0),
    "/jobs/{job}/ledger": OLD,
    "/jobs/{job}/backfills": UUID(int=0),
    "/runs": UUID(int=0),
    "/calendars": "zzz",
}
"""For each list the key of a row that comes after all others (of the ledger: before)."""


def pages(client: httpx.Client, path: str, limit: int) -> Iterator[list[str]]:
    """The ids on each page."""
    cursor = None
    while True:
        parameters = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = client.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert set(page) == {"items", "next_cursor"}
        yield [item["id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            return


def stored(client: httpx.Client, job_body: JobBody, count: int) -> list[str]:
    """The ids of new jobs, newest first."""
    answers = [client.post("/jobs", json=job_body(schedule=FAR)) for _ in range(count)]
    return [answer.json()["id"] for answer in reversed(answers)]


def test_a_service_without_jobs_has_an_empty_list(stranger: httpx.Client) -> None:
    assert stranger.get("/jobs").json() == {"items": [], "next_cursor": None}


def test_a_list_shows_each_job_as_it_is_read_alone(client: httpx.Client, job_body: JobBody) -> None:
    ids = stored(client, job_body, 3)
    items = client.get("/jobs").json()["items"]
    assert items == [client.get(f"/jobs/{job_id}").json() for job_id in ids]


@pytest.mark.parametrize("limit", [1, 3, 4, 6, 7, 200])
def test_pages_hold_every_job_once_newest_first(
    seven_jobs: tuple[httpx.Client, list[str]], limit: int
) -> None:
    client, ids = seven_jobs
    walked = list(pages(client, "/jobs", limit))
    assert [job_id for page in walked for job_id in page] == ids
    assert [len(page) for page in walked[:-1]] == [limit] * (len(walked) - 1)
    assert len(walked) == -(-len(ids) // limit)


def test_jobs_added_and_deleted_meanwhile_do_not_disturb_a_walk(
    client: httpx.Client, job_body: JobBody
) -> None:
    ids = stored(client, job_body, 12)
    behind, ahead = [ids[1], ids[2]], [ids[7], ids[11]]
    walked: list[str] = []
    for number, page in enumerate(pages(client, "/jobs", 3)):
        walked += page
        stored(client, job_body, 2)
        if number == 0:
            # The last one of the page just read is where the next page begins.
            for job_id in behind + ahead:
                assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert walked == [job_id for job_id in ids if job_id not in ahead]


def test_the_default_page_has_fifty_jobs(client: httpx.Client, job_body: JobBody) -> None:
    ids = stored(client, job_body, 51)
    page = client.get("/jobs").json()
    assert [item["id"] for item in page["items"]] == ids[:50]
    rest = client.get("/jobs", params={"cursor": page["next_cursor"]}).json()
    assert [item["id"] for item in rest["items"]] == ids[50:]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "201", "9" * 60, "x", "1.5", "", "%00", "1;2"])
def test_a_limit_out_of_bounds_is_refused(
    api: httpx.Client, store: Store, path: str, limit: str
) -> None:
    answer = api.get(f"{path.format(job=store()['id'])}?limit={limit}")
    assert wrong_parameters(answer) == ["limit"]


def encoded(text: str | bytes) -> str:
    return urlsafe_b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%00",
        "%ff",
        "!!!!",
        "AAAA",
        "é",
        "a" * 5_000,
        "' OR 1=1 --",
        encoded(b"\xff" * 15),
        encoded(b"\xff" * 17),
        encoded("2026-01-01"),
        encoded("2026-01-01T00:00:00"),
        encoded("9999-12-31T23:59:59-14:00"),
        encoded("0001-01-01T00:00:00+14:00"),
        encoded(b"\x00" * 16) + "x",
        encoded("2026-01-01T00:00:00+00:00") + "x",
        encoded(b"\x00" * 16).rstrip("="),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(
    api: httpx.Client, store: Store, path: str, cursor: str
) -> None:
    answer = api.get(path.format(job=store()["id"]), params={"cursor": cursor})
    assert wrong_parameters(answer) == ["cursor"]


SORTED = {"/jobs", "/runs"}
"""Their cursors also name filters and order; see test_list_cursors."""


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("other", [*LISTS, *(path for path in LISTS if "{job}" in path)])
def test_a_cursor_of_another_list_is_refused(
    api: httpx.Client, store: Store, path: str, other: str
) -> None:
    listing, other_list = (one.format(job=store()["id"]) for one in (path, other))
    cursor = Cursors[Any](other_list[1:], Decoder()).behind(KEYS[other])
    answer = api.get(listing, params={"cursor": cursor})
    if listing == other_list and path not in SORTED:
        assert answer.json() == {"items": [], "next_cursor": None}
    else:
        assert wrong_parameters(answer) == ["cursor"]


@pytest.mark.parametrize("path", ["/runs", "/jobs/{job}/runs", "/jobs/{job}/backfills"])
def test_a_cursor_from_a_page_is_not_taken_by_another_list(
    api: httpx.Client, store: Store, seven_jobs: tuple[httpx.Client, list[str]], path: str
) -> None:
    cursor = seven_jobs[0].get("/jobs", params={"limit": 1}).json()["next_cursor"]
    assert len(cursor) <= 40
    answer = api.get(path.format(job=store()["id"]), params={"cursor": cursor})
    assert wrong_parameters(answer) == ["cursor"]


def test_a_cursor_of_another_service_shows_nothing_of_it(
    stranger: httpx.Client, seven_jobs: tuple[httpx.Client, list[str]]
) -> None:
    cursor = seven_jobs[0].get("/jobs", params={"limit": 1}).json()["next_cursor"]
    answer = stranger.get("/jobs", params={"cursor": cursor})
    assert answer.json() == {"items": [], "next_cursor": None}


def test_runs_are_walked_once_each_while_new_ones_come(api: httpx.Client, store: Store) -> None:
    path = f"/jobs/{store()['id']}"

    def triggered(count: int) -> list[str]:
        return [api.post(f"{path}/trigger").json()["id"] for _ in range(count)][::-1]

    ids = triggered(5)
    walked: list[str] = []
    for page in pages(api, f"{path}/runs", 2):
        walked += page
        triggered(1)
    assert walked == ids


def test_a_job_that_never_fired_has_no_runs(api: httpx.Client, store: Store) -> None:
    answer = api.get(f"/jobs/{store()['id']}/runs")
    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.fixture(scope="module")
def seven_jobs(system: Any, sink: Any) -> Iterator[tuple[httpx.Client, list[str]]]:
    """A client whose service has seven jobs, and their ids, newest first."""

    def body(**changes: Any) -> dict[str, Any]:
        return {"target": {"type": "http", "url": f"{sink.url}/ok"}, **changes}

    with system.client("seven-jobs") as client:
        yield client, stored(client, body, 7)
