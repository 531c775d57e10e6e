"""The API keeps to its own OpenAPI document, whatever is sent to it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from storage.postgres import Database
from storage.shards import ShardUrls
from tests.processes import System

DATABASE = "fuzzed"
SEED = 20_261_123
EXAMPLES = 6
SECONDS = 300
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


@pytest.fixture(scope="module")
def unheard(urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An API on a database that no dispatcher and no worker looks at: nothing there ever rings."""

    def renamed(url: str) -> str:
        return f"{url.rpartition('/')[0]}/{DATABASE}"

    async def create() -> None:
        database = Database(urls.primary)
        async with database.driver() as driver:
            await driver.execute(f"CREATE DATABASE {DATABASE}")
        await database.close()

    asyncio.run(create())
    own = ShardUrls(
        primary=renamed(urls.primary),
        replicas=tuple(renamed(url) for url in urls.replicas),
        redis=urls.redis,
    )
    with System(own, tmp_path_factory.mktemp("unheard")) as system:
        system.migrate()
        system.start("api")
        yield system


@pytest.mark.timeout(SECONDS + 60)
def test_whatever_is_sent_the_answer_is_one_that_the_document_describes(
    unheard: System, tmp_path: Path
) -> None:
    with unheard.client("fuzzing") as client:
        job = {"schedule": {"after": "P30D"}, "target": {"type": "http", "url": "http://h/"}}
        assert client.post("/jobs", json=job).status_code == 201
        report = _fuzz(unheard, client, tmp_path)
        # It stored jobs of its own, whether or not it deleted them again.
        assert _stored(client) > 1
    # Every operation was tried, and by more than a handful of requests.
    operations = httpx.get(f"{unheard.url}/openapi.json").json()["paths"].values()
    count = sum(len(item) for item in operations)
    assert f"Operations:       {count} selected / {count} total" in report
    assert "No issues found" in report


def _stored(client: httpx.Client) -> float:
    """How many jobs were ever stored."""
    labels = r'method="POST",route="/jobs",status="201"'
    (count,) = re.findall(
        rf"^tocsin_http_requests_total{{{labels}}} (.+)$", client.get("/metrics").text, re.MULTILINE
    )
    return float(count)


def _fuzz(system: System, client: httpx.Client, folder: Path) -> str:
    config = folder / "schemathesis.toml"
    key = client.headers["authorization"].removeprefix("Bearer ")
    config.write_text(f"[auth.openapi.api_key]\nbearer = {msgspec.json.encode(key).decode()}\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config)),
            *("run", f"{system.url}/openapi.json", "--checks", ",".join(CHECKS)),
            *("--seed", str(SEED), "--max-examples", str(EXAMPLES), "--no-shrink"),
            # They are about what it cannot guess: ids, and rules that JSON Schema has no words for.
            *("--warnings", "off"),
        ],
        cwd=folder,
        # Its reports speak UTF-8 whatever the machine does.
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
