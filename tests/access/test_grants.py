"""What a key gives: nothing that outlives it, nothing that it has not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from domain.access.scopes import Role, Scope
from tests.access.conftest import calling, new_key
from tests.access.issuer import Issuer
from tests.processes import System, wait_until

SOON = timedelta(hours=1)


def status_with(installation: System, key: str) -> int:
    with calling(installation, key) as client:
        return client.get("/me").status_code


def is_refused(installation: System, key: str) -> None:
    wait_until(lambda: status_with(installation, key) == 401, seconds=5, what="the key is refused")


def end_of(key: httpx.Response) -> datetime:
    assert key.status_code == 201, key.text
    return datetime.fromisoformat(key.json()["expires_at"])


def test_what_a_key_makes_ends_with_it(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    ends = datetime.now(UTC) + SOON
    maker = new_key(operator, service_id, *Scope, expires_at=ends.isoformat()).json()
    keys = f"/services/{service_id}/keys"
    other = new_key(operator, service_id, "read").json()["id"]
    with calling(installation, maker["key"]) as client:
        assert end_of(new_key(client, service_id, "read")) == ends
        earlier = (ends - SOON / 2).isoformat()
        assert end_of(new_key(client, service_id, "read", expires_at=earlier)) < ends
        later = (ends + SOON).isoformat()
        refused = new_key(client, service_id, "read", expires_at=later)
        assert refused.status_code == 403, refused.text
        # Nor by rotation, of another key or of itself.
        rotate = f"{keys}/{other}/rotate"
        assert client.post(rotate, json={"expires_at": later}).status_code == 403
        assert end_of(client.post(rotate)) == ends
        assert end_of(client.post(f"{keys}/{maker['id']}/rotate")) == ends


def test_what_a_key_made_is_revoked_with_it(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    maker = new_key(operator, service_id, *Scope).json()
    keys = f"/services/{service_id}/keys"
    taken = new_key(operator, service_id, "read").json()["id"]
    with calling(installation, maker["key"]) as client:
        made = new_key(client, service_id, *Scope).json()
        rotated = client.post(f"{keys}/{taken}/rotate").json()
    with calling(installation, made["key"]) as client:
        grandchild = new_key(client, service_id, "read").json()
    assert (made["made_by"], grandchild["made_by"]) == (maker["id"], made["id"])
    # A key that replaces itself takes its place: what it made stays.
    with calling(installation, maker["key"]) as client:
        successor = client.post(f"{keys}/{maker['id']}/rotate").json()
    assert operator.delete(f"{keys}/{maker['id']}").status_code == 204
    is_refused(installation, maker["key"])
    alive = (successor, made, rotated, grandchild)
    assert [status_with(installation, key["key"]) for key in alive] == [200] * 4
    assert operator.delete(f"{keys}/{successor['id']}").status_code == 204
    for key in alive:
        is_refused(installation, key["key"])


@pytest.mark.parametrize(
    ("scopes", "role", "status"),
    [
        (("admin",), "viewer", 403),
        (("admin", "read"), "viewer", 201),
        (("admin", "read"), "operator", 403),
        (("admin", "read", "operate", "write"), "admin", 201),
    ],
)
def test_membership_grants_no_more_than_the_granter_has(  # noqa: PLR0917
    installation: System,
    operator: httpx.Client,
    service_id: str,
    scopes: tuple[str, ...],
    role: str,
    status: int,
) -> None:
    member = f"/services/{service_id}/members/{uuid4()}"
    with calling(installation, new_key(operator, service_id, *scopes).json()["key"]) as client:
        put = client.put(member, json={"role": role})
        assert put.status_code == status, put.text
        assert len(client.get(f"/services/{service_id}/members").json()["items"]) == (status == 201)


def test_a_key_that_ends_makes_no_member(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    ends = (datetime.now(UTC) + SOON).isoformat()
    key = new_key(operator, service_id, *Scope, expires_at=ends).json()["key"]
    with calling(installation, key) as client:
        put = client.put(f"/services/{service_id}/members/x", json={"role": "viewer"})
    assert put.status_code == 403, put.text


def test_a_persons_keys_are_managed_by_a_token_or_an_admin_key(
    installation: System, operator: httpx.Client, issuer: Issuer, service_id: str
) -> None:
    subject = f"kim-{uuid4()}"
    operator.put(f"/services/{service_id}/members/{subject}", json={"role": Role.ADMIN})
    with calling(installation, issuer.token(subject)) as kim:
        weak = kim.post("/me/keys", json={"name": "weak", "scopes": ["read"]}).json()
        strong = kim.post("/me/keys", json={"name": "strong", "scopes": list(Scope)}).json()
    path = f"/me/keys/{strong['id']}"
    with calling(installation, weak["key"]) as client:
        assert client.get("/me/keys").status_code == 403
        assert client.post("/me/keys", json={"name": "k", "scopes": ["read"]}).status_code == 403
        assert client.post(f"/me/keys/{weak['id']}/rotate").status_code == 403
        assert client.delete(path).status_code == 403
    with calling(installation, strong["key"]) as client:
        assert client.post("/me/keys", json={"name": "k", "scopes": ["read"]}).status_code == 201
        assert client.delete(f"/me/keys/{weak['id']}").status_code == 204
    # Whoever rotates a person's key would call as that person.
    at_service = f"/services/{service_id}/keys/{strong['id']}"
    assert operator.post(f"{at_service}/rotate").status_code == 403
    assert operator.delete(at_service).status_code == 204
