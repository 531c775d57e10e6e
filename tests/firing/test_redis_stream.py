"""A job whose target is a Redis stream, and the consumer of docs/how-to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
from redis import Redis

from storage.urls import ShardUrls, redis_database
from tests.firing.target import created, ended
from tests.firing.test_receivers import HOW_TO, new_secret
from tests.processes import STREAMS_DATABASE, wait_until

GROUP = "consumers"


def test_a_run_is_added_and_a_consumer_does_it_once(
    client: httpx.Client, urls: ShardUrls, tmp_path: Path
) -> None:
    secret, stream = new_secret(client), f"test:{uuid4()}"
    url = redis_database(urls.redis, STREAMS_DATABASE)
    target = {"type": "redis_stream", "server": "test", "stream": stream, "body": {"n": 1}}
    job = created(client, {"schedule": {"after": 0}, "target": target})
    run = ended(client, job)
    assert run["state"] == "succeeded", run
    shown = client.get(f"/jobs/{job}").json()["target"]
    assert shown == {**target, "max_length": None, "timeout": "PT30S"}
    (fared,) = wait_until(
        lambda: client.get("/targets").json()["items"], what="the worker reports its targets"
    )
    assert (fared["kind"], fared["name"], fared["origin"]) == ("redis_stream", "test", None)
    with Redis.from_url(url, decode_responses=True) as server:
        ((entry_id, fields),) = server.xrange(stream)
        assert run["attempts"][0]["response_excerpt"] == entry_id
        server.xadd(stream, fields)  # as a second attempt of the run would
        server.xadd(stream, {**fields, "run_id": str(uuid4())})  # not signed
        done = f"did {run['id']}: " + '{"n":1}'
        said = tmp_path / "consumer.log"
        with said.open("ab") as output:
            consumer = subprocess.Popen(
                [
                    *(sys.executable, str(HOW_TO / "stream_consumer.py"), "--stream", stream),
                    *("--group", GROUP, "--database", str(tmp_path / "done.sqlite")),
                ],
                env={**os.environ, "REDIS_URL": url, "TOCSIN_SIGNING_SECRET": secret},
                stdout=output,
                stderr=output,
            )
        try:
            wait_until(lambda: acknowledged(server, stream) == 3, what="all three are taken")
        finally:
            consumer.terminate()
            consumer.wait(10)
    lines = said.read_text().splitlines()
    assert lines.count(done) == 1
    assert [line.partition(":")[0] for line in lines if line != done] == ["not by Tocsin"]


def acknowledged(server: Redis, stream: str) -> int:
    """How many entries the consumers have read and ended."""
    groups = server.xinfo_groups(stream)
    return sum(group["entries-read"] or 0 for group in groups) - sum(
        group["pending"] for group in groups
    )


def test_a_stream_that_is_not_allowed_is_refused_when_the_job_is_stored(
    client: httpx.Client,
) -> None:
    target = {"type": "redis_stream", "server": "test", "stream": "private"}
    answer = client.post("/jobs", json={"schedule": {"after": 0}, "target": target})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/target/stream"
    assert error["detail"] == "This stream is not allowed; allowed are: test:*."
