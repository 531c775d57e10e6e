"""Why a job is paused, and bodies that say what nobody asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import JSON
from tests.api.problems import problem, wrong_values

Store = Callable[..., Any]
NOBODY = UUID(int=7 << 76)
BEYOND_THIS_KEY = {"createService", "updateService", "createMyKey", "rotateMyKey"}


def test_the_reason_of_a_pause_is_kept_shown_audited_and_cleared(
    api: httpx.Client, store: Store
) -> None:
    job = store()
    path = f"/jobs/{job['id']}"
    paused = api.post(f"{path}/pause", json={"reason": "moving house"}).json()
    assert (paused["state"], paused["pause_reason"]) == ("paused", "moving house")
    assert api.get(path).json() == paused
    (entry,) = [one for one in audited(api, job["id"]) if one["action"] == "job.paused"]
    assert entry["details"] == {"reason": "moving house"}
    resumed = api.post(f"{path}/resume").json()
    assert (resumed["state"], resumed["pause_reason"]) == ("active", None)


def test_another_reason_of_a_paused_job_is_shown_and_none_changes_nothing(
    api: httpx.Client, store: Store
) -> None:
    path = f"/jobs/{store()['id']}/pause"
    first = api.post(path, json={"reason": "one"}).json()
    assert api.post(path).json() == api.post(path, json={"reason": "one"}).json() == first
    other = api.post(path, json={"reason": "other"}).json()
    assert (other["pause_reason"], other["version"]) == ("other", first["version"] + 1)
    assert other["next_fire_at"] is None


@pytest.mark.parametrize("reason", ["", "x" * 501, "a\x00b", 7])
def test_a_reason_has_bounds(api: httpx.Client, store: Store, reason: object) -> None:
    path = f"/jobs/{store()['id']}"
    assert wrong_values(api.post(f"{path}/pause", json={"reason": reason})) == ["/reason"]
    assert api.get(path).json()["state"] == "active"


def test_unknown_fields_are_refused_on_every_body(api: httpx.Client) -> None:
    asked = []
    service = api.get("/me").json()["service_id"]
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if method not in ("post", "put", "patch"):
                continue
            address = path.replace("{name}", "x").replace("{subject}", "x")
            address = address.replace("{service_id}", service)
            while "{" in address:
                address = address[: address.index("{")] + str(NOBODY) + address.partition("}")[2]
            answer = api.request(method, address, content='{"no/where": 1}', headers=JSON)
            if operation["operationId"] in BEYOND_THIS_KEY:
                assert answer.status_code in (403, 422)
                continue
            asked.append(operation["operationId"])
            assert "/no~1where" in wrong_values(answer), operation["operationId"]
    assert {"pauseJob", "updateJob", "cancelRun", "replayRun", "cancelBackfill"} <= set(asked)


@pytest.mark.parametrize("body", ["", "{}", " {} "])
def test_an_operation_without_a_body_takes_an_empty_one(api: httpx.Client, body: str) -> None:
    problem(api.post(f"/runs/{NOBODY}/cancel", content=body, headers=JSON), 404)


def test_what_is_no_json_is_told_as_such(api: httpx.Client) -> None:
    problem(api.post(f"/runs/{NOBODY}/replay", content="{", headers=JSON), 400)


def audited(api: httpx.Client, object_id: str) -> list[Any]:
    items: list[Any] = api.get("/audit", params={"limit": 200}).json()["items"]
    return [one for one in items if one["object_id"] == object_id]
