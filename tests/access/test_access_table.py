"""Every route as every kind of caller, within the own service and at another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.api import create_app
from app.openapi.access_page import COLUMNS, cells
from app.requests.access import Access, rules
from app.settings import Settings
from domain.access.scopes import Role, Scope
from tests.access.conftest import calling, new_key, new_service
from tests.access.issuer import Issuer
from tests.processes import System

MARK = "only-the-owner-knows-this"
APP = create_app(Settings(primary_url="postgresql://nowhere", redis_url="redis://nowhere"))
RULES = sorted(rules(APP), key=lambda rule: (rule[1], rule[0]))
JOB = {
    "name": MARK,
    "schedule": {"every": "P1D"},
    "target": {"type": "actor", "actor": "noop", "payload": MARK},
}
PAST = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}
BODIES: dict[str, Any] = {
    "POST /jobs": JOB,
    "PATCH /jobs/{job_id}": {"name": "changed"},
    "POST /jobs/{job_id}/backfills": PAST,
    "PUT /calendars/{name}": {"exclude": [{"date": "2027-01-01"}]},
    "POST /schedules/preview": {"schedule": {"every": "P1D"}},
    "POST /services/{service_id}/keys": {"name": "k", "scopes": []},
    "PATCH /services/{service_id}": {"limits": {}},
    "POST /me/keys": {"name": "k", "scopes": []},
    "PUT /services/{service_id}/members/{subject}": {"role": "of none"},
    "PUT /services/{service_id}/secrets/{name}": {"value": MARK},
}
Ids = dict[str, str]


@pytest.fixture(scope="module")
def own(operator: httpx.Client) -> str:
    return new_service(operator)


@pytest.fixture(scope="module")
def callers(
    installation: System, operator: httpx.Client, issuer: Issuer, own: str
) -> Iterator[dict[str, httpx.Client]]:
    """Somebody for every column of the page."""
    foreign = new_service(operator)
    found: dict[str, tuple[str | None, str | None]] = {"nobody": (None, None)}
    for scope in Scope:
        found[f"key `{scope}`"] = (new_key(operator, own, scope).json()["key"], None)
    for role in Role:
        put = operator.put(f"/services/{own}/members/table-{role}", json={"role": role})
        assert put.is_success
        found[role] = (issuer.token(f"table-{role}"), None)
    found["other service's key"] = (new_key(operator, foreign, *Scope).json()["key"], None)
    credential = operator.headers["authorization"].removeprefix("Bearer ")
    found["installation's operator"] = (credential, own)
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(calling(installation, credential, service))
            for name, (credential, service) in found.items()
        }


@pytest.fixture(scope="module")
def ids(callers: dict[str, httpx.Client], own: str) -> Ids:
    """Ids of what the own service has."""
    admin = callers["admin"]
    calendar = {"exclude": [{"date": "2027-01-01"}], "description": MARK}
    assert admin.put("/calendars/holidays", json=calendar).is_success
    secret = admin.put(f"/services/{own}/secrets/holidays", json={"value": MARK})
    assert secret.is_success
    job = admin.post("/jobs", json=JOB).json()["id"]
    return {
        "job_id": job,
        "run_id": admin.post(f"/jobs/{job}/trigger").json()["id"],
        "backfill_id": admin.post(f"/jobs/{job}/backfills", json=PAST).json()["id"],
        "name": "holidays",
        "service_id": own,
        "key_id": admin.get(f"/services/{own}/keys").json()["items"][0]["id"],
        "subject": "table-viewer",
    }


def send(client: httpx.Client, method: str, path: str, ids: Ids) -> httpx.Response:
    body = BODIES.get(f"{method} {path}")
    return client.request(method, path.format(**ids), json=body)


def test_no_route_is_forgotten(installation: System) -> None:
    document = httpx.get(f"{installation.url}/openapi.json").json()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(method, path) for method, path, _ in RULES} - {("GET", "/openapi.json")}


@pytest.mark.parametrize(("method", "path", "needs"), RULES, ids=str)
def test_every_caller_is_answered_as_the_page_says(
    callers: dict[str, httpx.Client], ids: Ids, method: str, path: str, needs: Access
) -> None:
    # Those who may: at ids that nobody has, so that the next caller finds all as it was.
    nobodys = ids if method == "GET" else {**ids, **dict.fromkeys(ids, str(uuid4()))}
    nobodys |= {"service_id": ids["service_id"], "subject": f"of-{method.lower()}"}
    said = zip(COLUMNS, cells(needs, of_service="{service_id}" in path), strict=True)
    for column, cell in said:
        at = nobodys if cell == "yes" else ids
        answer = send(callers[column], method, path, at)
        if cell == "yes":
            assert answer.status_code not in {400, 401, 403}, (column, answer.text)
            if method == "GET":
                assert answer.status_code == 200, (column, answer.text)
        elif cell == "its own":
            own_objects = "{" in path
            assert answer.status_code not in {401, 403}, (column, answer.text)
            makes = (method, path) == ("PUT", "/calendars/{name}")
            assert (answer.status_code == 404) == (own_objects and not makes), (column, answer.text)
            assert method == "POST" or MARK not in answer.text
        else:
            assert answer.status_code == int(cell), (column, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert MARK not in answer.text


def test_what_another_service_tried_changed_nothing(
    callers: dict[str, httpx.Client], ids: Ids
) -> None:
    job = callers["admin"].get(f"/jobs/{ids['job_id']}").json()
    assert (job["name"], job["state"], job["version"]) == (MARK, "active", 1)
    assert callers["admin"].get("/calendars/holidays").json()["description"] == MARK


@pytest.mark.parametrize("named", ["id", "name", "nonsense", "zeros"])
def test_nobody_names_a_service_that_is_not_theirs(
    callers: dict[str, httpx.Client], operator: httpx.Client, issuer: Issuer, own: str, named: str
) -> None:
    name = operator.get(f"/services/{own}").json()["name"]
    service = {"id": own, "name": name, "nonsense": "no-such", "zeros": str(UUID(int=0))}[named]
    for caller in ("other service's key", "viewer"):
        client = callers[caller]
        headers = {"tocsin-service": service}
        if caller == "viewer":
            headers["authorization"] = f"Bearer {issuer.token('nobodys-friend')}"
        for method, path, needs in RULES:
            if needs is not Access.PUBLIC and "{" not in path:
                body = BODIES.get(f"{method} {path}")
                answer = client.request(method, path, headers=headers, json=body)
                assert answer.status_code == 404, (method, path, answer.text)


def test_a_person_without_a_service_is_asked_to_name_one(
    installation: System, issuer: Issuer
) -> None:
    with calling(installation, issuer.token("homeless")) as client:
        assert client.get("/me").json()["memberships"] == []
        refused = client.get("/jobs")
        assert refused.status_code == 400
        assert "Tocsin-Service" in refused.json()["detail"]
