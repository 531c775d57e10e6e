"""Secrets on their way to a target: filled in, signed, hidden in what is recorded, changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis
from standardwebhooks import Webhook

from storage.crypto.encryption_keys import new_key
from storage.postgres.pools import Database
from storage.urls import ShardUrls
from tests.firing.target import Target, created, ended
from tests.processes import ENCRYPTION_KEYS, System, wait_until
from workers.targets.http.signature import sign
from workers.targets.secrets import KEPT_SECONDS

VALUE = 'to"ken\\with \N{SNOWMAN}\nlines'
TOKEN = "plain-t0ken"
ONCE = {"max_attempts": 1}


def service_of(client: httpx.Client) -> str:
    return f"/services/{client.get('/me').json()['service_id']}"


def store(client: httpx.Client, **values: str) -> None:
    for name, value in values.items():
        put = client.put(f"{service_of(client)}/secrets/{name}", json={"value": value})
        assert put.is_success, put.text


def rung(client: httpx.Client, **target: Any) -> dict[str, Any]:
    """The only attempt of a job with such a target."""
    body = {"schedule": {"after": 0}, "target": target, "retry": ONCE}
    (attempt,) = ended(client, created(client, body))["attempts"]
    found: dict[str, Any] = attempt
    return found


def test_values_are_filled_in_and_signed_as_they_are_sent(client: httpx.Client) -> None:
    store(client, TOKEN=TOKEN, VALUE=VALUE)
    signing = client.post(f"{service_of(client)}/signing-secrets/rotate").json()["secret"]
    body = {"q": "<${secret.VALUE}>", "n": 1.50, "e": "$${secret.VALUE}", "${secret.TOKEN}": None}
    headers = {"authorization": "Bearer ${secret.TOKEN}", "x-two": "${secret.TOKEN},$${secret.X}"}
    with Target() as target:
        for sent in (body, "as text: ${secret.VALUE}"):
            attempt = rung(client, type="http", url=target.url, headers=headers, body=sent)
            assert attempt["outcome"] == "succeeded", attempt
    as_json, as_text = target.received
    assert json.loads(as_json.body) == {
        "q": f"<{VALUE}>",
        "n": 1.5,
        "e": "${secret.VALUE}",
        TOKEN: None,
    }
    assert as_text.body.decode() == f"as text: {VALUE}"
    for received in target.received:
        assert received.headers["authorization"] == f"Bearer {TOKEN}"
        assert received.headers["x-two"] == f"{TOKEN},${{secret.X}}"
        # Both are live: a target may still check the one before.
        assert len(received.headers["webhook-signature"].split()) == 2
        timestamp = int(received.headers["webhook-timestamp"])
        by_new = sign([signing], received.headers["webhook-id"], timestamp, received.body)
        assert by_new in received.headers["webhook-signature"].split()
    Webhook(signing).verify(as_json.body, as_json.headers)


def test_what_a_target_sends_back_is_hidden_and_no_store_has_it(
    system: System, client: httpx.Client, urls: ShardUrls
) -> None:
    secret = f"known-only-here-{uuid4().hex}"
    store(client, TOKEN=secret)
    echo = json.dumps({"sent": secret}).encode()
    cut = b"x" * 4_090 + secret.encode()
    for answer in (echo, cut):
        with Target(status=500, body=answer) as target:
            attempt = rung(client, type="http", url=target.url, body="${secret.TOKEN}")
        assert target.received[0].body.decode() == secret
        assert attempt["response_excerpt"].endswith('"***"}' if answer is echo else "xx***")
    assert secret not in client.get("/runs").text + client.get("/audit").text
    for name in ("api", "dispatcher", "worker"):
        assert not any(secret in process.text for process in system.every(name))
    assert not asyncio.run(holds(urls, secret))
    for number in (0, 1):
        with Redis.from_url(f"{urls.redis}/{number}") as redis:
            assert not any(secret.encode() in value for value in everything(redis))


async def holds(urls: ShardUrls, secret: str) -> bool:
    """Whether any table has the text."""
    database = Database(urls.primary)
    async with database.driver() as driver:
        names = await driver.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = [
            await driver.fetchval(
                f"SELECT EXISTS (SELECT FROM {row[0]} AS t WHERE strpos(t::text, $1) > 0)", secret
            )
            for row in names
        ]
    await database.close()
    return any(found)


def everything(redis: Redis) -> Iterator[bytes]:
    for key in redis.scan_iter():
        yield key
        yield redis.dump(key) or b""


def test_a_value_cannot_break_out_of_a_header(client: httpx.Client) -> None:
    store(client, EVIL="x\r\nwebhook-id: forged")
    with Target() as target:
        attempt = rung(client, type="http", url=target.url, headers={"x-a": "${secret.EVIL}"})
    assert attempt["outcome"] == "failed"
    assert "/headers/x-a" in attempt["error"]
    assert "forged" not in attempt["error"]
    assert target.received == []


def test_an_actors_payload_is_filled_in(client: httpx.Client, system: System) -> None:
    store(client, LOUD="told-to-the-actor")
    rung(client, type="actor", actor="log", payload={"a": "<${secret.LOUD}>"})
    wait_until(lambda: "<told-to-the-actor>" in system.newest("worker").text, what="the actor logs")


def test_a_new_value_is_used_within_seconds(client: httpx.Client) -> None:
    store(client, TOKEN="first")
    with Target() as target:
        body = {
            "schedule": {"every": 1},
            "target": {"type": "http", "url": target.url, "body": "${secret.TOKEN}"},
        }
        job_id = created(client, body)
        wait_until(lambda: b"first" in bodies(target), what="the first value")
        store(client, TOKEN="second")
        wait_until(
            lambda: b"second" in bodies(target), seconds=KEPT_SECONDS + 15, what="the second value"
        )
        client.delete(f"/jobs/{job_id}")
    sent = bodies(target)
    assert sent == sorted(sent)


def bodies(target: Target) -> list[bytes]:
    return [received.body for received in list(target.received)]


@pytest.fixture
def own(urls: ShardUrls, tmp_path: Path) -> Iterator[System]:
    """Processes with a ring of their own, on a database of their own."""
    name = f"rings_{uuid4().hex}"
    asyncio.run(make_database(urls, name))
    there = ShardUrls(
        primary=f"{urls.primary.rpartition('/')[0]}/{name}", replicas=(), redis=f"{urls.redis}/9"
    )
    with System(there, tmp_path) as running:
        running.migrate()
        yield running


async def make_database(urls: ShardUrls, name: str) -> None:
    database = Database(urls.primary)
    async with database.driver() as driver:
        await driver.execute(f"CREATE DATABASE {name}")
    await database.close()


def test_keys_are_rotated_while_everything_runs(own: System) -> None:
    new = new_key("new")
    own.start("api", "dispatcher", "worker")
    with own.client("rotating") as client, Target() as target:
        store(client, TOKEN=TOKEN)
        client.post(f"{service_of(client)}/signing-secrets/rotate")
        again = {"type": "http", "url": target.url, "body": "${secret.TOKEN}"}
        assert rung(client, **again)["outcome"] == "succeeded"

        # First all processes learn the new key, then it encrypts.
        own.environment["TOCSIN_ENCRYPTION_KEYS"] = f"{new},{ENCRYPTION_KEYS}"
        restart(own)
        assert rung(client, **again)["outcome"] == "succeeded"
        assert "1 secrets" in own.run("secrets", "rotate")
        assert "0 secrets" in own.run("secrets", "rotate")
        (secret,) = client.get(f"{service_of(client)}/secrets").json()["items"]
        assert secret["key_id"] == "new"

        own.environment["TOCSIN_ENCRYPTION_KEYS"] = new
        restart(own)
        assert rung(client, **again)["outcome"] == "succeeded"

        # Who forgets a key is told which.
        own.environment["TOCSIN_ENCRYPTION_KEYS"] = ENCRYPTION_KEYS
        restart(own)
        attempt = rung(client, **again)
        assert "'new'" in attempt["error"]
        assert {received.body for received in target.received} == {TOKEN.encode()}


def restart(system: System) -> None:
    for name in ("api", "dispatcher", "worker"):
        system.newest(name).stop()
    system.start("api", "dispatcher", "worker")
