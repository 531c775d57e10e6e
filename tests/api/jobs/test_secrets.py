"""Secrets and signing secrets over the API: written, listed, used, never told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.conftest import FAR
from tests.api.problems import problem, wrong_parameters, wrong_values
from tests.processes import System

VALUE = "only-workers-know-this"


@pytest.fixture
def secrets(client: httpx.Client) -> str:
    """Where the service's secrets are."""
    return f"/services/{client.get('/me').json()['service_id']}/secrets"


def target(**more: Any) -> dict[str, Any]:
    return {"type": "http", "url": "https://example.com/", **more}


def job(client: httpx.Client, **more: Any) -> httpx.Response:
    return client.post("/jobs", json={"schedule": FAR, "target": target(**more)})


def test_a_secret_is_stored_listed_replaced_and_deleted(client: httpx.Client, secrets: str) -> None:
    made = client.put(f"{secrets}/TOKEN", json={"value": VALUE})
    assert made.status_code == 201, made.text
    assert made.json()["key_id"] == "test"
    second = client.put(f"{secrets}/TOKEN", json={"value": VALUE + "2"})
    assert second.status_code == 200
    replaced = second.json()
    assert replaced["created_at"] == made.json()["created_at"] < replaced["updated_at"]
    assert client.get(secrets).json() == {"items": [replaced], "next_cursor": None}
    assert client.delete(f"{secrets}/TOKEN").status_code == 204
    problem(client.delete(f"{secrets}/TOKEN"), 404)
    assert client.get(secrets).json()["items"] == []


def test_no_answer_no_trail_and_no_log_has_the_value(
    system: System, client: httpx.Client, secrets: str
) -> None:
    put = client.put(f"{secrets}/TOKEN", json={"value": VALUE})
    used = job(client, headers={"authorization": "Bearer ${secret.TOKEN}"})
    assert used.json()["target"]["headers"] == {"authorization": "Bearer ${secret.TOKEN}"}
    answers = [put, used, client.get(secrets), client.get("/audit"), client.get("/jobs")]
    answers += [
        client.put(f"{secrets}/TOKEN", json={"value": VALUE, "more": 1}),
        client.put(f"{secrets}/TOKEN", json={"value": [VALUE]}),
        client.put(f"{secrets}/TOKEN", json={"value": VALUE + "\0"}),
        client.put(f"{secrets}/TOKEN", json={"value": VALUE * 1_000}),
        client.put(f"{secrets}/TOKEN", json={VALUE: "x"}),
    ]
    assert "secret.put" in answers[3].text
    logs = "".join(process.text for process in system.every("api"))
    for said in [answer.text for answer in answers[:-1]] + [logs]:
        assert VALUE not in said


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"value": ""}, "/value"),
        ({"value": "a\0"}, "/value"),
        ({"value": "x" * 8_193}, "/value"),
        ({"value": "\N{SNOWMAN}" * 2_731}, "/value"),
        ({"value": 5}, "/value"),
        ({}, "/value"),
    ],
)
def test_a_wrong_value(client: httpx.Client, secrets: str, body: object, pointer: str) -> None:
    assert wrong_values(client.put(f"{secrets}/TOKEN", json=body)) == [pointer]
    assert client.get(secrets).json()["items"] == []


@pytest.mark.parametrize("value", ["x" * 8_192, "\N{SNOWMAN}" * 2_730, '"\r\n', " "])
def test_a_right_value(client: httpx.Client, secrets: str, value: str) -> None:
    assert client.put(f"{secrets}/TOKEN", json={"value": value}).is_success


@pytest.mark.parametrize("name", ["1A", "a.b", "a%20b", "a%0A", "%C3%A9", "A" * 65, "-a"])
def test_a_wrong_name(client: httpx.Client, secrets: str, name: str) -> None:
    assert wrong_parameters(client.put(f"{secrets}/{name}", json={"value": "x"})) == ["name"]


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"headers": {"a": "${secret.NOPE}"}}, "/target/headers/a"),
        ({"headers": {"a": "${secret.}"}}, "/target/headers/a"),
        ({"body": {"a": ["${secret.NOPE}"]}}, "/target/body"),
        ({"body": "${secret.TOKEN"}, "/target/body"),
        ({"url": "https://example.com/${secret.TOKEN}"}, "/target/url"),
    ],
)
def test_a_wrong_reference(
    client: httpx.Client, secrets: str, more: dict[str, Any], pointer: str
) -> None:
    client.put(f"{secrets}/TOKEN", json={"value": VALUE})
    assert wrong_values(job(client, **more)) == [pointer]
    made = job(client, body="${secret.TOKEN} $${secret.NOPE}").json()
    changed = client.patch(f"/jobs/{made['id']}", json={"target": target(**more)})
    assert wrong_values(changed) == [pointer]
    assert client.get(f"/jobs/{made['id']}").json() == made


def test_a_secret_in_use_is_not_deleted(client: httpx.Client, secrets: str) -> None:
    client.put(f"{secrets}/TOKEN", json={"value": VALUE})
    made = job(client, body="${secret.TOKEN}").json()
    assert made["id"] in problem(client.delete(f"{secrets}/TOKEN"), 409)["detail"]
    client.delete(f"/jobs/{made['id']}")
    assert client.delete(f"{secrets}/TOKEN").status_code == 204


def test_secrets_are_listed_by_name_in_pages(client: httpx.Client, secrets: str) -> None:
    for name in ("C", "A", "B"):
        client.put(f"{secrets}/{name}", json={"value": VALUE})
    first = client.get(secrets, params={"limit": 2}).json()
    second = client.get(secrets, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["name"] for one in first["items"] + second["items"]] == ["A", "B", "C"]
    assert second["next_cursor"] is None


def test_a_signing_secret_is_told_once(client: httpx.Client, secrets: str) -> None:
    path = secrets.replace("secrets", "signing-secrets")
    (before,) = client.get(path).json()["items"]
    made = client.post(f"{path}/rotate")
    assert made.status_code == 201, made.text
    assert made.headers["cache-control"] == "no-store"
    text = made.json().pop("secret")
    assert text.startswith("whsec_")
    new, old = client.get(path).json()["items"]
    assert new == {name: value for name, value in made.json().items() if name != "secret"}
    assert (old["id"], new["expires_at"]) == (before["id"], None)
    assert UUID(new["id"]) != UUID(old["id"])
    assert old["expires_at"] > new["created_at"]
    assert (new["key_id"], old["key_id"]) == ("test", "test")
    for said in (client.get(path).text, client.get("/audit").text):
        assert text not in said
    problem(client.post(f"{path}/rotate", json={"overlap": "P1D"}), 409)
    assert wrong_values(client.post(f"{path}/rotate", json={"overlap": "P31D"})) == ["/overlap"]
    assert client.post(f"{path}/rotate", json={"overlap": 0}).status_code == 201
    assert len(client.get(path).json()["items"]) == 1


@pytest.fixture(scope="module")
def keyless(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An API whose operator set no keys."""
    with System(system.urls, tmp_path_factory.mktemp("keyless")) as running:
        del running.environment["TOCSIN_ENCRYPTION_KEYS"]
        running.start("api")
        yield running


def test_without_keys_all_works_but_secrets(keyless: System) -> None:
    with keyless.client("keyless") as client:
        service = f"/services/{client.get('/me').json()['service_id']}"
        for answer in (
            client.put(f"{service}/secrets/TOKEN", json={"value": VALUE}),
            client.post(f"{service}/signing-secrets/rotate"),
        ):
            assert "TOCSIN_ENCRYPTION_KEYS" in problem(answer, 503)["detail"]
        assert client.get(f"{service}/secrets").json()["items"] == []
        (secret,) = client.get(f"{service}/signing-secrets").json()["items"]
        assert secret["key_id"] is None
        assert job(client).status_code == 201


@pytest.mark.parametrize(
    ("url", "tls", "pointer"),
    [
        ("https://example.com/", {"ca": "nonsense"}, "/target/tls/ca"),
        ("https://example.com/", {"ca": ""}, "/target/tls/ca"),
        ("https://example.com/", {"ca": "x" * 16_385}, "/target/tls/ca"),
        ("https://example.com/", {"ca": "-----BEGIN PRIVATE KEY-----"}, "/target/tls/ca"),
        ("https://example.com/", {}, "/target/tls/ca"),
        ("https://example.com/", {"ca": "x", "verify": False}, "/target/tls/verify"),
        ("http://example.com/", {"ca": "x"}, "/target/tls"),
    ],
)
def test_wrong_authorities(client: httpx.Client, url: str, tls: object, pointer: str) -> None:
    assert wrong_values(job(client, url=url, tls=tls)) == [pointer]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://2130706433/",
        "http://h@127.0.0.1/",
        "http://[::ffff:a00:1]/",
    ],
)
def test_a_host_that_may_not_be_called(client: httpx.Client, url: str) -> None:
    assert wrong_values(job(client, url=url)) == ["/target/url"]
