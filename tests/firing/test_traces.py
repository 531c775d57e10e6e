"""A trace goes from the client through API, dispatcher, queue and worker to the target."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from storage.postgres.pools import Database
from storage.urls import ShardUrls
from tests.firing.collector import Collector, Link
from tests.firing.target import Target, ended
from tests.processes import CHECKOUT, System, runs_of, wait_until

CLIENT_TRACE, CLIENT_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CLIENT = {"traceparent": f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as receiving:
        yield receiving


def with_own_database(urls: ShardUrls, name: str, number: int) -> ShardUrls:
    """What no other processes work on: theirs would ring without a trace."""

    async def create() -> None:
        database = Database(urls.primary)
        async with database.driver() as driver:
            await driver.execute(f"CREATE DATABASE {name}")
        await database.close()

    asyncio.run(create())
    primary = urls.primary.rpartition("/")[0] + f"/{name}"
    return ShardUrls(primary=primary, redis=f"{urls.redis}/{number}")


@pytest.fixture(scope="module")
def traced(
    urls: ShardUrls, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """An API, a dispatcher and a worker that are told to export."""
    own = with_own_database(urls, "traced", 13)
    with System(own, tmp_path_factory.mktemp("traced")) as running:
        running.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000000",
        }
        running.migrate()
        running.start("api", "dispatcher", "worker")
        yield running


@pytest.fixture
def client(traced: System) -> Iterator[httpx.Client]:
    with traced.client(f"test-{uuid4()}") as calling:
        yield calling


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as made:
        yield made


def body_of(target: Target, **schedule: Any) -> dict[str, Any]:
    return {"schedule": schedule, "target": {"type": "http", "url": target.url + "/hook"}}


def test_a_scheduled_run_has_a_trace_of_its_own_with_links_to_where_it_comes_from(
    client: httpx.Client, collector: Collector, target: Target
) -> None:
    answer = client.post("/jobs", json=body_of(target, after="PT2S"), headers=CLIENT)
    run = ended(client, answer.json()["id"])
    trace = UUID(run["id"]).hex
    wait_until(lambda: collector.of_run(run["id"]), what="the ring is told")
    (ring,) = collector.of_run(run["id"])
    (request,) = collector.in_trace(CLIENT_TRACE, "POST /jobs")

    assert (request.process, request.parent) == ("tocsin-api", CLIENT_SPAN)
    assert request.attributes["http.response.status_code"] == 201
    assert (ring.process, ring.name, ring.trace) == ("tocsin-worker", "ring http", trace)
    assert (ring.parent, ring.failed) == ("", False)
    assert ring.attributes["http.response.status_code"] == 200
    creating, message = ring.links
    assert creating == Link(CLIENT_TRACE, request.span)
    wait_until(lambda: collector.in_trace(message.trace, "hand over"), what="the message is told")
    (taken,) = collector.in_trace(message.trace, "take")
    (sent,) = collector.in_trace(message.trace, "hand over")
    assert (taken.process, taken.span, taken.parent) == ("tocsin-worker", message.span, sent.span)
    assert sent.process == "tocsin-dispatcher"
    (received,) = target.received
    assert received.headers["traceparent"] == f"00-{trace}-{ring.span}-01"


def test_run_now_continues_the_trace_of_who_asked(
    client: httpx.Client, collector: Collector, target: Target
) -> None:
    trace = uuid4().hex
    job = client.post("/jobs", json=body_of(target, at="2099-01-01T00:00:00Z")).json()
    asked = {"traceparent": f"00-{trace}-{CLIENT_SPAN}-01"}
    client.post(f"/jobs/{job['id']}/trigger", headers=asked)
    run = ended(client, job["id"])
    wait_until(lambda: collector.of_run(run["id"]), what="the ring is told")
    (ring,) = collector.of_run(run["id"])
    name = "POST /jobs/{job_id}/trigger"
    wait_until(lambda: collector.in_trace(trace, name), what="the request is told")
    (request,) = collector.in_trace(trace, name)

    assert (request.trace, request.parent) == (trace, CLIENT_SPAN)
    assert (ring.trace, ring.parent) == (trace, request.span)
    (sent,) = collector.in_trace(trace, "hand over")
    assert (sent.process, sent.parent) == ("tocsin-api", request.span)
    (received,) = target.received
    assert received.headers["traceparent"] == f"00-{trace}-{ring.span}-01"


def test_each_attempt_is_told_and_a_failed_one_as_such(
    client: httpx.Client, collector: Collector
) -> None:
    with Target(status=500) as target:
        body = body_of(target, after="PT0S")
        body["retry"] = {"max_attempts": 2, "min_backoff": "PT1S", "jitter": False}
        run = ended(client, client.post("/jobs", json=body).json()["id"])
    wait_until(lambda: len(collector.of_run(run["id"])) == 2, what="both attempts are told")
    first, second = sorted(
        collector.of_run(run["id"]), key=lambda one: str(one.attributes["tocsin.attempt"])
    )
    assert {first.trace, second.trace} == {UUID(run["id"]).hex}
    assert first.failed
    assert second.failed


def test_a_client_that_does_not_sample_is_not_sampled(
    client: httpx.Client, collector: Collector, target: Target
) -> None:
    trace = uuid4().hex
    job = client.post("/jobs", json=body_of(target, at="2099-01-01T00:00:00Z")).json()
    unsampled = {"traceparent": f"00-{trace}-{CLIENT_SPAN}-00"}
    client.post(f"/jobs/{job['id']}/trigger", headers=unsampled)
    wait_until(lambda: target.received, what="it rang")
    assert target.received[0].headers["traceparent"].startswith(f"00-{trace}-")
    assert target.received[0].headers["traceparent"].endswith("-00")
    assert not [one for one in collector.spans if one.trace == trace]


def test_logs_within_a_trace_name_it(traced: System, client: httpx.Client, target: Target) -> None:
    trace = uuid4().hex
    asked = {"traceparent": f"00-{trace}-{CLIENT_SPAN}-01"}
    assert (
        client.post("/jobs", json=body_of(target, after="PT1H"), headers=asked).status_code == 201
    )

    def lines() -> list[dict[str, Any]]:
        text = traced.newest("api").text.splitlines()
        return [json.loads(line) for line in text if f'"trace_id":"{trace}"' in line]

    wait_until(lines, what="a line of the log names the trace")
    (line,) = lines()
    assert (line["event"], len(line["span_id"])) == ("request.finished", 16)
    assert '"trace_id"' not in "".join(
        one for one in traced.newest("dispatcher").text.splitlines() if "started" in one
    )


def test_a_collector_that_is_away_stops_nothing(
    urls: ShardUrls, tmp_path: Path, target: Target
) -> None:
    own = with_own_database(urls, "told_to_nobody", 11)
    with System(own, tmp_path) as running:
        running.environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
        running.migrate()
        running.start("api", "dispatcher", "worker")
        with running.client(f"test-{uuid4()}") as calling:
            job = calling.post("/jobs", json=body_of(target, after="PT1S")).json()
            wait_until(
                lambda: [run["state"] for run in runs_of(calling, job["id"])] == ["succeeded"],
                what="it rang",
            )
        began = datetime.now(UTC)
        assert [running.newest(name).stop() for name in ("dispatcher", "worker")] == [0, 0]
        assert (datetime.now(UTC) - began).total_seconds() < 25


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h"}, True),
    ],
)
@pytest.mark.usefixtures("starts_processes")
def test_what_makes_traces_is_imported_only_where_they_are_wanted(
    environment: dict[str, str], wanted: bool
) -> None:
    look = (
        "import os, sys; from app.cli import main; from storage.tracing.spans import begin;"
        "main(['version'], standalone_mode=False); begin('api', os.environ);"
        "import app.api, workers.dispatcher.process, workers.worker.process;"
        "import workers.housekeeping.clock;"
        "print('storage.tracing.otel' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", look],
        env=environment,
        cwd=CHECKOUT,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[-1] == str(wanted)
