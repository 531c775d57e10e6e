"""One service never reads or changes another's, whatever id, cursor or entity tag it sends."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.processes import System, runs_of, wait_until

MARK = "only-the-owner-knows-this"
LISTS = ("/jobs", "/runs", "/calendars", "/jobs/{job_id}/runs", "/jobs/{job_id}/backfills")
# Its own answers depend on nothing that another service stores.
OF_THE_CALLER = {"/jobs", "/runs", "/calendars", "/calendars/{name}", "/schedules/preview"} | {
    "/runs/cancel",
    "/runs/replay",
    "/stats",
    "/targets",
    "/audit",
    "/me",
    # Of people and of operators only.
    "/me/keys",
    "/me/keys/{key_id}",
    "/me/keys/{key_id}/rotate",
    "/services",
}
Owned = dict[str, str]


@pytest.fixture(scope="session")
def owner(system: System) -> Any:
    with system.client("owner") as calling:
        yield calling


@pytest.fixture(scope="session")
def intruder(system: System) -> Any:
    with system.client("intruder") as calling:
        yield calling


@pytest.fixture(scope="session")
def owned(owner: httpx.Client) -> Owned:
    """The ids of what the owner has: at least two of each, so that lists have a second page."""
    calendar = {"exclude": [{"date": "2027-01-01"}], "description": MARK}
    for name in ("holidays", "holidays-2"):
        assert owner.put(f"/calendars/{name}", json=calendar).status_code in {200, 201}
    body = {
        "name": MARK,
        "schedule": {"every": "PT1H"},
        "target": {"type": "actor", "actor": "noop", "payload": MARK},
    }
    jobs = [owner.post("/jobs", json=body).json()["id"] for _ in range(2)]
    for _ in range(2):
        assert owner.post(f"/jobs/{jobs[0]}/trigger").status_code == 202
    wait_until(lambda: len(runs_of(owner, jobs[0])) == 2, what="two runs")
    service = owner.get("/me").json()["service_id"]
    put = owner.put(f"/services/{service}/secrets/holidays", json={"value": MARK})
    assert put.is_success
    times = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
    backfills = [owner.post(f"/jobs/{jobs[0]}/backfills", json=times).json() for _ in range(2)]
    return {
        "job_id": jobs[0],
        "run_id": str(runs_of(owner, jobs[0])[0]["id"]),
        "backfill_id": backfills[0]["id"],
        "name": "holidays",
        "service_id": service,
        "key_id": owner.get(f"/services/{service}/keys").json()["items"][0]["id"],
        "subject": "somebody",
    }


def routes(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Each method and path that asks for a key."""
    return [
        (method, path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation.get("security")
    ]


@pytest.mark.promise("isolation")
def test_every_route_refuses_what_belongs_to_another(
    owner: httpx.Client, intruder: httpx.Client, owned: Owned
) -> None:
    before = owner.get(f"/jobs/{owned['job_id']}").json()
    for method, path in routes(intruder.get("/openapi.json").json()):
        if path in OF_THE_CALLER or (path == "/jobs" and method == "post"):
            continue
        body = {"json": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}}
        sent = body if path.endswith("/backfills") and method == "post" else {}
        if method == "patch":
            sent = {"json": {"name": "mine now"}}
        answer = intruder.request(method, path.format(**owned), **sent)
        assert answer.status_code in {400, 404, 422}, (method, path, answer.text)
        assert MARK not in answer.text
        if method in {"get", "delete"}:
            assert answer.status_code == 404 or "from" in answer.text, (method, path)
    after = owner.get(f"/jobs/{owned['job_id']}").json()
    assert {**after, "next_fire_at": None} == {**before, "next_fire_at": None}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_cursor_and_no_entity_tag_opens_what_another_has(
    owner: httpx.Client, intruder: httpx.Client, owned: Owned, data: st.DataObject
) -> None:
    paths = [
        path for method, path in routes(intruder.get("/openapi.json").json()) if method == "get"
    ]
    path = data.draw(st.sampled_from(paths)).format(**owned)
    # The owner's answer lies in every cache when the intruder comes.
    theirs = owner.get(path)
    list_path = data.draw(st.sampled_from(LISTS)).format(**owned)
    cursor = owner.get(list_path, params={"limit": 1}).json()["next_cursor"]
    tags = [theirs.headers.get("etag"), '"1"', "*", None]
    tag = data.draw(st.sampled_from(tags))
    answer = intruder.get(
        path,
        params={"cursor": cursor} if data.draw(st.booleans()) else {},
        headers={"if-none-match": tag} if tag else {},
    )
    assert MARK not in answer.text
    for value in owned.values():
        assert f'"id":"{value}"' not in answer.text
    if answer.status_code == 304:
        # Of its own list, which is empty; never because the owner has that entity tag.
        assert tag == "*" or intruder.get(path).headers["etag"] == tag
