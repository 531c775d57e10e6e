"""Keys: made, limited, rotated, revoked, noted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from app.edge.authentication.key_use import KeyUse
from app.embedded.servers import EmbeddedServers
from domain.access.scopes import Scope
from storage.shards import Shards
from tests.access.conftest import calling, new_key, new_service
from tests.access.issuer import Issuer
from tests.processes import NO_TLS, System, wait_until
from tests.reads.api_processes import api_processes
from tests.storage.reading import replay_paused


def status_at(url: str, key: str, path: str = "/jobs") -> int:
    return httpx.get(
        url + path, headers={"authorization": f"Bearer {key}"}, verify=NO_TLS
    ).status_code


def status_with(installation: System, key: str, path: str = "/jobs") -> int:
    return status_at(installation.url, key, path)


def test_a_keys_text_is_told_once_and_kept_nowhere(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    made = new_key(operator, service_id, "read")
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    text = made.json()["key"]
    listed = operator.get(f"/services/{service_id}/keys")
    assert [key["id"] for key in listed.json()["items"]] == [made.json()["id"]]
    secret = text.split("_", 2)[2]  # which may hold underscores
    trail = operator.get("/audit", headers={"tocsin-service": service_id})
    logs = "".join(process.text for process in installation.every("api"))
    assert "key.created" in trail.text
    assert made.json()["id"] in trail.text
    for said in (listed.text, trail.text, logs):
        assert secret not in said


def test_a_key_is_good_until_its_end(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    key = new_key(operator, service_id, "read", expires_at=soon.isoformat()).json()["key"]
    assert status_with(installation, key) == 200
    wait_until(lambda: status_with(installation, key) == 401, seconds=10, what="the key ended")
    assert datetime.now(UTC) >= soon


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"name": ""}, "/name"),
        ({"name": "a\u0000b"}, "/name"),
        ({"more": 1}, "/more"),
    ],
)
def test_a_wrong_key_is_refused_with_its_place(
    operator: httpx.Client, service_id: str, body: dict[str, object], pointer: str
) -> None:
    refused = operator.post(
        f"/services/{service_id}/keys", json={"name": "k", "scopes": ["read"], **body}
    )
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["pointer"].startswith(pointer)


def test_nobody_gives_a_scope_that_they_have_not(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    made = new_key(operator, service_id, "admin", "read").json()
    with calling(installation, made["key"]) as client:
        refused = new_key(client, service_id, "read", "write")
        assert refused.status_code == 403
        assert "write" in refused.json()["detail"]
        strong = new_key(operator, service_id, *Scope).json()["id"]
        stolen = client.post(f"/services/{service_id}/keys/{strong}/rotate")
        assert stolen.status_code == 403


def test_a_rotated_key_stays_good_for_the_overlap(
    installation: System, operator: httpx.Client, service_id: str
) -> None:
    old = new_key(operator, service_id, "read", "write").json()
    path = f"/services/{service_id}/keys/{old['id']}/rotate"
    new = operator.post(path, json={"overlap": 3}).json()
    assert new["scopes"] == ["read", "write"]
    assert status_with(installation, old["key"]) == 200
    assert status_with(installation, new["key"]) == 200
    wait_until(lambda: status_with(installation, old["key"]) == 401, what="the overlap ended")
    assert status_with(installation, new["key"]) == 200
    assert operator.post(path).status_code == 409


def test_rotation_never_prolongs_a_keys_life(operator: httpx.Client, service_id: str) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    old = new_key(operator, service_id, "read", expires_at=soon).json()
    operator.post(f"/services/{service_id}/keys/{old['id']}/rotate", json={"overlap": "P1D"})
    keys = operator.get(f"/services/{service_id}/keys").json()["items"]
    assert [key["expires_at"] for key in keys if key["id"] == old["id"]] == [old["expires_at"]]


@pytest.mark.parametrize("has_end", [True, False])
def test_a_rotated_key_keeps_its_end_unless_another_is_asked_for(
    operator: httpx.Client, service_id: str, has_end: bool
) -> None:
    end = "2126-11-24T03:00:00.000000Z" if has_end else None
    later = "2127-11-24T03:00:00.000000Z"
    for body, expected in (
        (None, end),
        ({}, end),
        ({"overlap": "PT1H"}, end),
        ({"expires_at": later}, later),
        ({"expires_at": None}, None),
    ):
        old = new_key(operator, service_id, "read", expires_at=end).json()
        path = f"/services/{service_id}/keys/{old['id']}/rotate"
        assert operator.post(path, json=body).json()["expires_at"] == expected


@pytest.mark.promise("revoked keys")
async def test_a_revoked_key_is_refused_by_every_process_though_the_replica_lags(
    installation: System,
    operator: httpx.Client,
    service_id: str,
    servers: EmbeddedServers,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made = new_key(operator, service_id, "read").json()
    path = f"/services/{service_id}/keys/{made['id']}"
    folder = tmp_path_factory.mktemp("another")
    with api_processes(installation.urls, folder, count=1) as (other,):
        # Both have looked it up, and the replica has it as good.
        assert status_at(other, made["key"]) == 200
        assert status_with(installation, made["key"]) == 200
        async with replay_paused(servers):
            gone = await asyncio.to_thread(operator.delete, path)
            assert gone.status_code == 204
            for url in (other, installation.url):
                wait_until(
                    lambda url=url: status_at(url, made["key"]) == 401,
                    seconds=5,
                    what=f"{url} refuses",
                )
    again = await asyncio.to_thread(operator.delete, path)
    assert again.status_code == 204


def test_a_key_of_another_service_is_not_found(operator: httpx.Client, service_id: str) -> None:
    made = new_key(operator, new_service(operator), "read").json()
    path = f"/services/{service_id}/keys/{made['id']}"
    assert operator.post(f"{path}/rotate").status_code == 404
    assert operator.delete(path).status_code == 404
    assert operator.delete(f"/services/{service_id}/keys/{uuid4()}").status_code == 404


def test_a_persons_key_does_no_more_than_the_person_may(
    installation: System, operator: httpx.Client, issuer: Issuer, service_id: str
) -> None:
    member = f"/services/{service_id}/members/pat"
    operator.put(member, json={"role": "admin"})
    with calling(installation, issuer.token("pat")) as pat:
        made = pat.post("/me/keys", json={"name": "laptop", "scopes": list(Scope)}).json()
        assert [key["id"] for key in pat.get("/me/keys").json()["items"]] == [made["id"]]
    assert status_with(installation, made["key"], "/audit") == 200
    operator.put(member, json={"role": "viewer"})
    wait_until(lambda: status_with(installation, made["key"], "/audit") == 403, what="a viewer")
    assert status_with(installation, made["key"]) == 200
    operator.delete(member)
    wait_until(lambda: status_with(installation, made["key"]) == 401, what="no member any more")
    # Who comes back does not get the old keys with it.
    operator.put(member, json={"role": "viewer"})
    with calling(installation, issuer.token("pat")) as pat:
        assert [key["revoked_at"] is None for key in pat.get("/me/keys").json()["items"]] == [False]


def test_nobody_sees_or_ends_another_persons_own_keys(
    installation: System, operator: httpx.Client, issuer: Issuer, service_id: str
) -> None:
    for subject in ("rob", "eve"):
        operator.put(f"/services/{service_id}/members/{subject}", json={"role": "viewer"})
    with (
        calling(installation, issuer.token("rob")) as rob,
        calling(installation, issuer.token("eve")) as eve,
    ):
        made = rob.post("/me/keys", json={"name": "k", "scopes": ["read"]}).json()
        assert eve.get("/me/keys").json()["items"] == []
        assert eve.delete(f"/me/keys/{made['id']}").status_code == 404
        assert eve.post(f"/me/keys/{made['id']}/rotate").status_code == 404
        assert rob.delete(f"/me/keys/{made['id']}").status_code == 204


async def test_the_last_use_is_noted_and_never_goes_back(
    operator: httpx.Client, service_id: str, installation: System
) -> None:
    key_id = new_key(operator, service_id, "read").json()["id"]
    shards = Shards(installation.urls)
    now = datetime.now(UTC)
    for at in (now, now - timedelta(minutes=5)):
        use = KeyUse(shards)
        use.note((UUID(service_id), UUID(key_id)), at)
        await use.write()
    await shards.close()
    # No reader waits for uses; for what a service writes later it does.
    await asyncio.to_thread(new_key, operator, service_id, "read")
    listed = await asyncio.to_thread(operator.get, f"/services/{service_id}/keys")
    last_used_at = {key["id"]: key["last_used_at"] for key in listed.json()["items"]}
    assert datetime.fromisoformat(last_used_at[key_id]) == now
