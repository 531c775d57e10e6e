"""Queries of URLs: what is unknown, repeated or null is refused by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.problems import problem, wrong_parameters

Store = Callable[..., Any]
NOWHERE = "/jobs/0192f3a1-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path", "parameters"),
    [
        ("GET", "/jobs?name=x", ["name"]),
        ("GET", "/jobs?name=x&name=y&State=active", ["name", "State"]),
        ("GET", "/jobs?limit=5&limit=5", ["limit"]),
        ("GET", "/jobs?sort=created&limit=5&sort=updated&limit=6", ["sort", "limit"]),
        ("GET", "/jobs?l%69mit=5&limit=6", ["limit"]),
        ("GET", "/jobs?state=null", ["state"]),
        ("GET", "/jobs?state=active&state=NULL", ["state"]),
        ("GET", "/jobs?next_fire_after=null&order=Null", ["next_fire_after", "order"]),
        ("GET", "/jobs?=1", [""]),
        ("GET", "/jobs?nope", ["nope"]),
        ("GET", "/runs?job_id=null", ["job_id"]),
        ("GET", "/runs?status=500", ["status"]),
        ("GET", "/audit?from=null&object_id=null", ["from", "object_id"]),
        ("GET", "/stats?days=7", ["days"]),
        ("GET", "/calendars?q=x", ["q"]),
        ("GET", "/me?verbose=1", ["verbose"]),
        ("GET", f"{NOWHERE}?expand=runs", ["expand"]),
        ("GET", f"{NOWHERE}/ledger?start=2026-01-01T00:00:00Z", ["start"]),
        ("HEAD", "/jobs?name=x", []),
        ("POST", "/jobs?dry_run=true", ["dry_run"]),
        ("POST", f"{NOWHERE}/trigger?overlap=skip", ["overlap"]),
        ("DELETE", f"{NOWHERE}?force=true", ["force"]),
        ("GET", "/jobs?" + "&".join(f"a{number}=1" for number in range(50)), None),
    ],
)
def test_nothing_passes_in_silence(
    api: httpx.Client, method: str, path: str, parameters: list[str] | None
) -> None:
    for _ in range(2):
        answer = api.request(method, path, json={} if method == "POST" else None)
        if method == "HEAD":
            assert answer.status_code == 422
            return
        wrong = wrong_parameters(answer)
        assert len(wrong) == 20 if parameters is None else wrong == parameters


def test_an_unknown_parameter_is_told_the_known_ones(api: httpx.Client) -> None:
    detail = problem(api.get("/calendars?offset=5"), 422)["detail"]
    assert detail == "There is no parameter 'offset' here; there are: cursor, limit."


def test_a_wrong_value_is_told_the_right_ones(api: httpx.Client) -> None:
    answer = problem(api.get("/jobs?state=done&sort=name&next_fire_after=soon&limit=0"), 422)
    told = {error["parameter"]: error["detail"] for error in answer["errors"]}
    assert set(told) == {"state", "sort", "next_fire_after", "limit"}
    assert "active, paused, completed" in told["state"]
    assert "created, updated, next_fire, last_run" in told["sort"]
    assert "2026-11-24T03:00:00Z" in told["next_fire_after"]


def test_text_may_say_null(client: httpx.Client, job_body: Callable[..., Any]) -> None:
    client.post("/jobs", json=job_body(name="null", tags=["null"]))
    client.post("/jobs", json=job_body(name="other"))
    for query in ("name_prefix=null", "search=null", "tag=null"):
        (job,) = client.get(f"/jobs?{query}").json()["items"]
        assert job["name"] == "null"


def test_jobs_of_several_states(client: httpx.Client, job_body: Callable[..., Any]) -> None:
    paused = client.post("/jobs", json=job_body(name="p", schedule={"after": "P30D"})).json()
    client.post(f"/jobs/{paused['id']}/pause")
    client.post("/jobs", json=job_body(name="a", schedule={"after": "P30D"}))

    def names(query: str) -> set[str]:
        return {job["name"] for job in client.get(f"/jobs?{query}").json()["items"]}

    for _ in range(2):
        assert names("state=active") == {"a"}
        assert names("state=active&state=paused") == names("") == {"a", "p"}
        assert names("state=completed&state=paused") == {"p"}
        assert names("state=paused&state=paused&sort=next_fire") == {"p"}


def test_some_fields_of_a_job(api: httpx.Client, store: Store) -> None:
    job = store()
    path = f"/jobs/{job['id']}"
    for _ in range(2):  # by Litestar, and past it
        whole, some = api.get(path), api.get(f"{path}?fields=name,id")
        assert whole.json() == job
        assert list(some.json().items()) == [("id", job["id"]), ("name", job["name"])]
        tag = some.headers["etag"]
        known = api.get(f"{path}?fields=name,id", headers={"If-None-Match": tag})
        assert (known.status_code, known.content) == (304, b"")
    for wrong in ("", "nope", "id,,name"):
        assert wrong_parameters(api.get(f"{path}?fields={wrong}")) == ["fields"]
    problem(api.get(f"{NOWHERE}?fields=id"), 404)
    changed = api.patch(path, json={"name": "new"})
    assert api.get(f"{path}?fields=name").json() == {"name": "new"}
    assert changed.headers["etag"] == api.get(f"{path}?fields=name").headers["etag"] != tag
