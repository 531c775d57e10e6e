"""The API keeps to its own OpenAPI document, whatever is sent to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage.shards import ShardUrls
from tests.api.fuzzing import SECONDS, fuzz, unheard_system
from tests.processes import System

SEED = 20_261_123


@pytest.fixture(scope="module")
def unheard(urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with unheard_system(urls, tmp_path_factory.mktemp("unheard")) as system:
        yield system


@pytest.mark.timeout(SECONDS + 60)
def test_whatever_is_sent_the_answer_is_one_that_the_document_describes(
    unheard: System, tmp_path: Path
) -> None:
    with unheard.client("fuzzing") as client:
        job = {"schedule": {"after": "P30D"}, "target": {"type": "http", "url": "http://h/"}}
        assert client.post("/jobs", json=job).status_code == 201
        key = client.headers["authorization"].removeprefix("Bearer ")
        done = fuzz(unheard, key, tmp_path, seed=SEED)
        assert done.returncode == 0, done.stdout + done.stderr
        # It stored jobs of its own, whether or not it deleted them again.
        assert _stored(client) > 1
    # Every operation was tried, and by more than a handful of requests.
    operations = httpx.get(f"{unheard.url}/openapi.json").json()["paths"].values()
    count = sum(len(item) for item in operations)
    assert f"Operations:       {count} selected / {count} total" in done.stdout
    assert "No issues found" in done.stdout


def _stored(client: httpx.Client) -> float:
    """How many jobs were ever stored."""
    labels = r'method="POST",route="/jobs",status="201"'
    (count,) = re.findall(
        rf"^tocsin_http_requests_total{{{labels}}} (.+)$", client.get("/metrics").text, re.MULTILINE
    )
    return float(count)
