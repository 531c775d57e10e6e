"""A change with `If-Match` is made to that version, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.problems import problem
from tests.processes import wait_until

Store = Callable[..., Any]
Send = Callable[[httpx.Client, str, dict[str, str]], httpx.Response]

CHANGES: dict[str, Send] = {
    "change": lambda api, path, headers: api.patch(path, json={"name": "new"}, headers=headers),
    "delete": lambda api, path, headers: api.delete(path, headers=headers),
    "pause": lambda api, path, headers: api.post(f"{path}/pause", headers=headers),
    "resume": lambda api, path, headers: api.post(f"{path}/resume", headers=headers),
}


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def send(request: pytest.FixtureRequest) -> Send:
    """A request that changes a job."""
    change: Send = request.param
    return change


@pytest.fixture
def path(api: httpx.Client, store: Store) -> str:
    """A job that has been changed: its version is 2."""
    path = f"/jobs/{store()['id']}"
    assert api.patch(path, json={"name": "old"}).headers["etag"].startswith('"2-')
    return path


@pytest.mark.parametrize(
    "tags", ['"2"', "*", '"2-0a9f"', '"1", "2"', 'W/"1" ,"2",', '"a,b", "2"', None]
)
def test_a_change_to_the_version_named_is_made(
    api: httpx.Client, path: str, send: Send, tags: str | None
) -> None:
    answer = send(api, path, {} if tags is None else {"If-Match": tags})
    assert answer.is_success, answer.text


@pytest.mark.promise("ETag")
@pytest.mark.parametrize(
    "tags",
    [
        '"1"',
        '"3"',
        '"1-2"',
        '"2x"',
        '"2-"',
        '"02"',
        'W/"2"',
        '""',
        '"1", "3"',
        '"' + "2" * 300 + '"',
    ],
)
def test_a_change_to_another_version_is_412_and_not_made(
    api: httpx.Client, path: str, send: Send, tags: str
) -> None:
    before = api.get(path).content
    problem(send(api, path, {"If-Match": tags}), 412)
    assert api.get(path).content == before


@pytest.mark.parametrize(
    "tags", ["", "2", "'2'", '"2', '"1" "2"', '"2 "', 'w/"2"', "*, *", '"2",3']
)
def test_what_is_no_entity_tag_is_400(api: httpx.Client, path: str, send: Send, tags: str) -> None:
    before = api.get(path).content
    problem(send(api, path, {"If-Match": tags}), 400)
    assert api.get(path).content == before


@pytest.mark.parametrize("tags", ['"1"', "*"])
def test_a_job_that_is_not_there_is_404_whatever_its_version(
    api: httpx.Client, send: Send, tags: str
) -> None:
    problem(send(api, f"/jobs/{uuid4()}", {"If-Match": tags}), 404)


@pytest.mark.promise("ETag")
def test_of_changes_to_one_version_at_once_one_is_made(
    api: httpx.Client, other: httpx.Client, store: Store
) -> None:
    path = f"/jobs/{store()['id']}"

    def change(number: int) -> int:
        client = (api, other)[number % 2]
        answer = client.patch(path, json={"name": f"by {number}"}, headers={"If-Match": '"1"'})
        if answer.status_code != 200:
            problem(answer, 412)
        return answer.status_code

    with ThreadPoolExecutor(12) as threads:
        statuses = list(threads.map(change, range(12)))
    assert statuses.count(200) == 1
    assert api.get(path).headers["etag"].startswith('"2-')


def test_a_tag_changes_with_all_that_a_job_shows_and_names_its_version_still(
    api: httpx.Client, store: Store
) -> None:
    made = store(schedule={"after": "PT1S"})
    path = f"/jobs/{made['id']}"
    known = api.get(path)
    assert known.headers["etag"] == api.get(path).headers["etag"]
    wait_until(lambda: api.get(path).json()["state"] == "completed")
    answer = api.get(path, headers={"If-None-Match": known.headers["etag"]})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert answer.headers["etag"] != known.headers["etag"]
    # Nobody else has changed it, so the change of who read it before is none to lose.
    changed = api.patch(path, json={"name": "x"}, headers={"If-Match": known.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] == api.get(path).headers["etag"]
    again = api.patch(path, json={"name": "y"}, headers={"If-Match": known.headers["etag"]})
    problem(again, 412)
