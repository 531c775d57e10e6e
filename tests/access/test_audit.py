"""The audit trail tells who did what, from where; nobody's secrets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.access.conftest import calling, new_key
from tests.processes import System

JOB = {
    "schedule": {"every": "P1D"},
    "target": {
        "type": "http",
        "url": "https://example.com/",
        "headers": {"Authorization": "Basic c2VjcmV0"},
        "body": {"password": "hidden-in-the-body"},
    },
}


@pytest.fixture
def admin(installation: System, operator: httpx.Client, service_id: str):
    key = new_key(operator, service_id, "read", "operate", "write", "admin").json()["key"]
    with calling(installation, key) as client:
        yield client


@pytest.mark.promise("audit")
def test_every_command_leaves_a_row_with_its_request(admin: httpx.Client) -> None:
    made = admin.post("/jobs", json=JOB, headers={"x-request-id": "find-me"})
    job_id = made.json()["id"]
    me = admin.get("/me").json()["principal"]
    for change in ("pause", "resume"):
        admin.post(f"/jobs/{job_id}/{change}")
    target = {"type": "http", "url": "https://example.com/?token=hidden-in-the-url"}
    admin.patch(f"/jobs/{job_id}", json={"name": "renamed", "target": target})
    admin.delete(f"/jobs/{job_id}")
    trail = admin.get("/audit", params={"object_id": job_id}).json()["items"]
    assert [entry["action"] for entry in trail] == [
        "job.deleted",
        "job.updated",
        "job.resumed",
        "job.paused",
        "job.created",
    ]
    assert {entry["principal"] for entry in trail} == {me}
    assert {entry["address"] for entry in trail} == {"127.0.0.1"}
    assert trail[-1]["request_id"] == "find-me"
    assert trail[1]["details"] == {
        "changed": ["name", "target"],
        "before": {"name": "unnamed"},
        "after": {"name": "renamed"},
    }
    text = str(trail)
    assert "c2VjcmV0" not in text
    assert "hidden-in" not in text


def test_it_is_read_in_pages_and_by_filter(admin: httpx.Client) -> None:
    jobs = [admin.post("/jobs", json=JOB).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, "action": "job.created"} | ({"cursor": cursor} if cursor else {})
        page = admin.get("/audit", params=params).json()
        seen += [entry["object_id"] for entry in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == jobs[::-1]
    nobody = admin.get("/audit", params={"principal": "user:nobody"}).json()
    assert nobody["items"] == []
    past = {"to": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
    assert admin.get("/audit", params=past).json()["items"] == []


@pytest.mark.parametrize(
    "params",
    [
        {"from": "yesterday"},
        {"from": "2026-01-01T00:00:00"},
        {"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"object_id": "x"},
        {"cursor": "abc"},
        {"action": "job\0"},
        {"principal": "user:\0"},
        {"principal": ""},
    ],
)
def test_a_wrong_question_is_refused(admin: httpx.Client, params: dict[str, Any]) -> None:
    refused = admin.get("/audit", params=params)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] in params
