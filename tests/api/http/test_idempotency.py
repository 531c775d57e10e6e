"""What is sent again under one Idempotency-Key is done once, whichever process it reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
import pytest

from domain.access.idempotency import KEPT
from storage.postgres.pools import Database
from storage.redis.kept_answers import KEPT_KIB_A_DAY, kept_by
from storage.redis.rate_limits import RateLimits
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.api.conftest import FAR, JSON
from tests.api.problems import problem
from tests.processes import System, wait_until

PAST = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
NEVER = {"cron": "0 0 30 2 *"}
NOBODY = {"type": "http", "url": "http://127.0.0.1:9/"}  # so that its runs are not over soon
TYPE = "urn:tocsin:problem:idempotency-key-"

Store = Callable[..., Any]


def a_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def audited(urls: ShardUrls, object_id: str) -> int:
    """How many commands did something to an object."""

    async def count() -> int:
        database = Database(urls.primary)
        async with database.driver() as driver:
            found: int = await driver.fetchval(
                "SELECT count(*) FROM audit WHERE object_id = $1", UUID(object_id)
            )
        await database.close()
        return found

    return asyncio.run(count())


class HeldJob:
    """A job whose row somebody else has locked: commands on it wait."""

    def __init__(self, urls: ShardUrls, job_id: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._database = Database(urls.primary)
        self._job_id = UUID(job_id)

    def __enter__(self) -> Self:
        self._connection = self._database.driver()
        self._driver = self._loop.run_until_complete(self._connection.__aenter__())
        self._run("BEGIN")
        self._run("SELECT FROM jobs WHERE id = $1 FOR UPDATE", self._job_id)
        return self

    def __exit__(self, *_: object) -> None:
        self._run("ROLLBACK")
        self._loop.run_until_complete(self._connection.__aexit__(None, None, None))
        self._loop.run_until_complete(self._database.close())
        self._loop.close()

    @property
    def is_waited_for(self) -> bool:
        """Whether a command waits for the job."""
        # Not of pg_stat_activity, of which a transaction sees one moment only.
        query = "SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        return bool(self._loop.run_until_complete(self._driver.fetch(query)))

    def _run(self, query: str, *arguments: object) -> None:
        self._loop.run_until_complete(self._driver.execute(query, *arguments))


def a_body_for(operation: str) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        "createJob": {"schedule": FAR, "target": {"type": "http", "url": "http://h/"}},
        "startBackfill": PAST,
        "cancelRuns": {"job_id": str(uuid4())},
        "replayRuns": {"job_id": str(uuid4())},
    }
    return bodies.get(operation, {})


@pytest.mark.promise("idempotency: answers")
def test_every_post_that_changes_something_answers_what_is_sent_again_as_before(
    api: httpx.Client, other: httpx.Client, store: Store
) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    posts = {path: item["post"] for path, item in paths.items() if "post" in item}
    posts = {
        path: post for path, post in posts.items() if not path.startswith(("/me/", "/services"))
    }
    assert len(posts) == 11
    for path, operation in posts.items():
        names = [parameter["name"] for parameter in operation.get("parameters", ())]
        assert ("Idempotency-Key" in names) == (path != "/schedules/preview"), path
        if path == "/schedules/preview":
            continue
        job = store(target=NOBODY)["id"]
        run = api.post(f"/jobs/{job}/trigger").json()["id"]
        if path.endswith("/replay"):
            api.post(f"/runs/{run}/cancel")
        backfill = api.post(f"/jobs/{job}/backfills", json=PAST).json()["id"]
        address = path.format(job_id=job, run_id=run, backfill_id=backfill)
        sent = {"json": a_body_for(operation["operationId"]), "headers": a_key()}
        first, again = api.post(address, **sent), other.post(address, **sent)
        assert first.is_success, (path, first.text)
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true", path
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        for header in ("content-type", "location", "etag"):
            assert again.headers.get(header) == first.headers.get(header), (path, header)


def test_an_answer_with_a_key_is_the_one_without(api: httpx.Client, store: Store) -> None:
    path = f"/jobs/{store()['id']}/pause"
    keyed, plain = api.post(path, headers=a_key()), api.post(path)
    assert (keyed.content, keyed.status_code) == (plain.content, plain.status_code)
    assert keyed.headers["content-type"] == plain.headers["content-type"]
    refused_path = "/runs/0192f3a1-0000-7000-8000-000000000000/cancel"
    keyed, plain = api.post(refused_path, headers=a_key()), api.post(refused_path)
    assert problem(keyed, 404) == problem(plain, 404)
    assert keyed.content == plain.content


def test_a_preview_takes_no_notice_of_a_key(api: httpx.Client) -> None:
    for schedule in (FAR, {"every": 60}):
        answer = api.post("/schedules/preview", json={"schedule": schedule}, headers=a_key())
        assert "idempotency-replayed" not in answer.headers


@pytest.mark.promise("idempotency", "idempotency: answers")
def test_of_requests_that_come_at_once_through_two_processes_one_is_done(
    api: httpx.Client, other: httpx.Client, urls: ShardUrls, store: Store
) -> None:
    for _ in range(8):
        job = store()["id"]
        key = a_key()

        def send(number: int, path: str = f"/jobs/{job}/trigger", key: Any = key) -> httpx.Response:
            return (api, other)[number % 2].post(path, headers=key)

        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(send, range(12)))
        done = [answer for answer in answers if answer.status_code == 202]
        assert len({answer.content for answer in done}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
        for answer in answers:
            if answer.status_code != 202:
                assert problem(answer, 409)["type"] == TYPE + "in-progress"
        assert len(api.get(f"/jobs/{job}/runs").json()["items"]) == 1
        assert audited(urls, job) == 2


def test_of_jobs_that_are_stored_at_once_under_one_key_there_is_one(
    api: httpx.Client, other: httpx.Client, job_body: Callable[..., Any]
) -> None:
    name, key = str(uuid4()), a_key()
    body = job_body(name=name, schedule=FAR)

    def send(number: int) -> httpx.Response:
        return (api, other)[number % 2].post("/jobs", json=body, headers=key)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(send, range(16)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(api.get("/jobs", params={"name_prefix": name}).json()["items"]) == 1


@pytest.mark.promise("idempotency: conflicts")
def test_while_the_first_is_in_progress_the_second_is_409_and_later_answered(
    api: httpx.Client, other: httpx.Client, urls: ShardUrls, store: Store
) -> None:
    job, key = store()["id"], a_key()
    with ThreadPoolExecutor(1) as threads:
        with HeldJob(urls, job) as held:
            first = threads.submit(api.post, f"/jobs/{job}/trigger", headers=key)
            wait_until(lambda: held.is_waited_for, what="the first waits for the job")
            second = other.post(f"/jobs/{job}/trigger", headers=key)
            assert problem(second, 409)["type"] == TYPE + "in-progress"
            assert int(second.headers["retry-after"]) >= 1
        done = first.result()
    assert done.status_code == 202
    assert other.post(f"/jobs/{job}/trigger", headers=key).content == done.content


@pytest.mark.promise("idempotency", "idempotency: answers")
def test_a_process_that_dies_in_between_leaves_nothing(
    api: httpx.Client, urls: ShardUrls, store: Store, tmp_path: Any
) -> None:
    job, key = store()["id"], a_key()
    with (
        System(urls, tmp_path) as dying,
        httpx.Client(base_url=dying.url, headers=api.headers, timeout=60.0) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        dying.start("api")
        with HeldJob(urls, job) as held:
            first = threads.submit(client.post, f"/jobs/{job}/trigger", headers=key)
            wait_until(lambda: held.is_waited_for, what="the first waits for the job")
            dying.newest("api").kill()
            assert isinstance(first.exception(), httpx.TransportError)
        wait_until(
            lambda: api.post(f"/jobs/{job}/trigger", headers=key).status_code == 202,
            what="the key is free again",
        )
    assert len(api.get(f"/jobs/{job}/runs").json()["items"]) == 1


@pytest.mark.promise("idempotency: conflicts")
def test_a_key_that_was_used_for_another_request_is_422(api: httpx.Client, store: Store) -> None:
    path, key = f"/jobs/{store()['id']}/trigger", a_key()
    assert api.post(path, headers=key).status_code == 202
    others: list[dict[str, Any]] = [
        {"json": {"overlap": "allow_all"}, "headers": key},
        {"content": b"{}", "headers": {**key, **JSON}},
    ]
    for sent in others:
        answer = api.post(path, **sent)
        assert problem(answer, 422)["type"] == TYPE + "reused"
        assert "idempotency-replayed" not in answer.headers
    assert api.post(path, headers=key).headers["idempotency-replayed"] == "true"


@pytest.mark.promise("idempotency: scope")
def test_a_key_is_its_services_and_its_addresss_own(
    api: httpx.Client, system: System, store: Store, job_body: Callable[..., Any]
) -> None:
    key = a_key()
    for path in (f"/jobs/{store()['id']}/trigger", f"/jobs/{store()['id']}/pause"):
        assert "idempotency-replayed" not in api.post(path, headers=key).headers
    with system.client(f"another-{uuid4()}") as another:
        made = [
            client.post("/jobs", json=job_body(schedule=FAR), headers=key).json()["id"]
            for client in (api, another)
        ]
    assert len(set(made)) == 2


@pytest.mark.promise("idempotency: answers")
def test_what_was_refused_stays_refused(api: httpx.Client, other: httpx.Client, store: Store):
    job = store()
    run = api.post(f"/jobs/{job['id']}/trigger").json()["id"]
    wait_until(lambda: api.get(f"/runs/{run}").json()["state"] == "succeeded", what="it rang")
    wrong_version = {"If-Match": '"7"'}
    refused = [
        (409, f"/runs/{run}/cancel", {"headers": a_key()}),
        (404, f"/jobs/{uuid4()}/trigger", {"headers": a_key()}),
        (412, f"/jobs/{job['id']}/pause", {"headers": a_key() | wrong_version}),
        (
            422,
            "/jobs",
            {"headers": a_key(), "json": {**a_body_for("createJob"), "schedule": NEVER}},
        ),
    ]
    for status, path, sent in refused:
        first, again = api.post(path, **sent), other.post(path, **sent)
        problem(first, status)
        problem(again, status)
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
    # Also when it would not be refused any more.
    for version in range(2, 8):
        assert api.patch(f"/jobs/{job['id']}", json={"name": str(version)}).is_success
    status, path, sent = refused[2]
    problem(api.post(path, **sent), status)
    assert api.get(f"/jobs/{job['id']}").json()["state"] == "active"


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"\xc3\xa9", b"a\tb"])
def test_a_bad_key_is_refused_and_nothing_is_done(
    api: httpx.Client, store: Store, key: bytes
) -> None:
    job = store()["id"]
    answer = api.post(f"/jobs/{job}/trigger", headers=[(b"Idempotency-Key", key)])
    assert problem(answer, 400)["type"] == TYPE + "invalid"
    two = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(api.post(f"/jobs/{job}/trigger", headers=two), 400)
    assert api.get(f"/jobs/{job}/runs").json()["items"] == []


@pytest.mark.parametrize("key", [b"x", b"x" * 255, b'"quoted, and spaced"', b"!~"])
def test_any_printable_key_is_taken(api: httpx.Client, store: Store, key: bytes) -> None:
    path = f"/jobs/{store()['id']}/trigger"
    answers = [api.post(path, headers=[(b"Idempotency-Key", key)]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content


def use_up_kept_answers(urls: ShardUrls, service_id: UUID) -> None:
    """For a day longer than what is kept: some of it flows back each second."""

    async def take() -> None:
        shards = Shards(urls)
        limits = RateLimits(shards.of(service_id)._counting_redis, 2 * int(KEPT.total_seconds()))
        await limits.take((kept_by(service_id),), KEPT_KIB_A_DAY)
        await shards.close()

    asyncio.run(take())


def test_beyond_what_is_kept_nothing_new_is_done_with_a_key_and_nothing_kept_is_forgotten(
    system: System, urls: ShardUrls
) -> None:
    with system.client(f"keys-{uuid4()}") as client:
        body = {"schedule": FAR, "target": NOBODY}
        kept = a_key()
        first = client.post("/jobs", json=body, headers=kept)
        use_up_kept_answers(urls, UUID(client.get("/me").json()["service_id"]))
        for body_again, status, kind in ((body, 201, None), ({**body, "name": "x"}, 422, "reused")):
            again = client.post("/jobs", json=body_again, headers=kept)
            assert again.status_code == status
            if kind:
                assert problem(again, status)["type"] == TYPE + kind
            else:
                assert again.content == first.content
        refused = client.post("/jobs", json=body, headers=a_key())
        assert problem(refused, 429)["type"] == TYPE + "beyond-quota"
        assert int(refused.headers["retry-after"]) >= 1
        assert len(client.get("/jobs").json()["items"]) == 1
        assert client.post("/jobs", json=body).status_code == 201
