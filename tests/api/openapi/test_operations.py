"""What operators see: health, metrics that add up over processes, request ids, logs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from domain.access.keys import service_of
from loadtests.sink.process import SinkProcess
from tests.processes import System, runs_of, wait_until
from tests.servers import started_servers, urls_of

Store = Callable[..., Any]
JOBS = 12
NOWHERE = "/jobs/0192f3a1-0000-7000-8000-000000000000"


def test_a_live_api_says_so(system: System) -> None:
    answer = httpx.get(f"{system.url}/health/live")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_a_ready_api_names_its_servers(system: System) -> None:
    answer = httpx.get(f"{system.url}/health/ready")
    servers = {"primary": "ok", "replica-1": "ok", "redis": "ok"}
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "servers": servers})


@pytest.mark.parametrize("sent", ["abc", "A-b_c.9", "x" * 128])
def test_a_request_id_is_echoed(system: System, sent: str) -> None:
    for path in ("/health/live", "/jobs", "/nope"):
        answer = httpx.get(system.url + path, headers={"x-request-id": sent})
        assert answer.headers.get_list("x-request-id") == [sent]


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "a b", 'a"b', "a{b}", "é".encode()])
def test_a_request_without_a_fitting_id_gets_one(system: System, sent: str | bytes | None) -> None:
    headers = {} if sent is None else {"x-request-id": sent}
    ids = [httpx.get(f"{system.url}/nope", headers=headers).headers["x-request-id"] for _ in "ab"]
    assert UUID(ids[0]).version == 7
    assert ids[0] < ids[1]


def test_logs_are_json_lines_that_name_request_and_service(
    system: System, api: httpx.Client, store: Store
) -> None:
    service_id = service_of(api.headers["authorization"].removeprefix("Bearer "))
    request_id = str(uuid4())
    path = f"/jobs/{store()['id']}"
    api.patch(path, json={"name": "logged"}, headers={"x-request-id": request_id})

    def logged() -> list[dict[str, Any]]:
        lines = system.newest("api").text.splitlines(keepends=True)
        # The last line may be on its way.
        whole = [msgspec.json.decode(line) for line in lines if line.endswith("\n")]
        return [line for line in whole if line.get("request_id") == request_id]

    wait_until(logged, what="a log line of the request")
    (line,) = logged()
    assert line["event"] == "request.finished"
    assert line["level"] == "info"
    assert line["service_id"] == str(service_id)
    assert (line["method"], line["path"], line["status"]) == ("PATCH", path, 200)
    assert line["ms"] > 0
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_no_process_logs_a_key(system: System, api: httpx.Client, store: Store) -> None:
    api.post(f"/jobs/{store()['id']}/trigger")
    key = api.headers["authorization"].removeprefix("Bearer ")
    for name in ("api", "dispatcher", "worker", "clock"):
        process = system.newest(name)
        assert process.text
        assert key not in process.text


Samples = dict[str, float]


def samples(url: str) -> Samples:
    """Every sample of `/metrics`, by its name and labels."""
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())):
            sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }  # fmt: skip


@pytest.fixture(scope="module")
def summed(seed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, System]]:
    """Two APIs, a dispatcher and two workers on their own servers, with one metrics directory."""
    with started_servers(tmp_path_factory.mktemp("summed"), seed=seed) as embedded:
        urls = urls_of(embedded)
        directory = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path_factory.mktemp("metrics"))}
        with (
            System(urls, tmp_path_factory.mktemp("first")) as first,
            System(urls, tmp_path_factory.mktemp("second")) as second,
        ):
            first.migrate()
            for system in (first, second):
                system.environment.update(directory)
            first.start("api", "dispatcher", "worker")
            second.start("api", "worker")
            yield first, second


def test_requests_are_counted_by_route_over_all_processes(summed: tuple[System, System]) -> None:
    first, second = summed
    counted = "tocsin_http_requests_total method=GET route={route} status={status}".format
    read = counted(route="/jobs/{job_id}", status=404)
    before = samples(first.url)
    with first.client("counted") as client:
        for system, times in ((first, 3), (second, 4)):
            for _ in range(times):
                client.get(system.url + NOWHERE)
                client.get(f"{system.url}/made-up/{uuid4()}")
    unknown = counted(route="unknown", status=404)
    seconds = "tocsin_http_request_seconds_count method=GET route=/jobs/{job_id}"
    names = (read, unknown, seconds)
    for system in summed:
        # What another process counted is seen here a moment later.
        wait_until(
            lambda url=system.url: all(
                samples(url).get(name, 0) - before.get(name, 0) == 7 for name in names
            ),
            what="all requests counted",
        )
        after = samples(system.url)
        labels = " ".join(after)
        assert "made-up" not in labels
        assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", labels)


def test_a_made_up_method_is_no_label(summed: tuple[System, System]) -> None:
    first, _ = summed
    httpx.request("PROPFIND", f"{first.url}/jobs")
    after = samples(first.url)
    assert "PROPFIND" not in " ".join(after)
    assert any("method=other" in name for name in after)


def test_lateness_attempts_and_runs_add_up_over_all_workers(
    summed: tuple[System, System], sink: SinkProcess, job_body: Callable[..., dict[str, Any]]
) -> None:
    first, _ = summed
    before = samples(first.url)
    with first.client("ringing") as client:
        ids = [client.post("/jobs", json=job_body(schedule={"after": 1})) for _ in range(JOBS)]
        broken = {"type": "http", "url": f"{sink.url}/status/500"}
        failing = job_body(target=broken, schedule={"after": 0}, retry={"max_attempts": 1})
        ids.append(client.post("/jobs", json=failing))

        def ended() -> bool:
            runs = [runs_of(client, answer.json()["id"]) for answer in ids]
            return all([run["finished_at"] for run in found] not in ([], [None]) for found in runs)

        wait_until(ended, what="all runs ended")

    def grown(name: str) -> float:
        return samples(first.url).get(name, 0) - before.get(name, 0)

    def all_counted() -> bool:
        names = ("tocsin_runs_total state=succeeded", "tocsin_lateness_seconds_count")
        return sum(map(grown, names)) == JOBS + JOBS + 1

    wait_until(all_counted, what="all counted")
    wait_until(lambda: grown("tocsin_runs_total state=failed") == 1, what="the failed one counted")
    assert grown("tocsin_runs_total state=failed") == 1
    assert grown("tocsin_attempts_total outcome=succeeded") == JOBS
    assert grown("tocsin_attempts_total outcome=failed") == 1
    assert grown("tocsin_lateness_seconds_count") == JOBS + 1
    assert grown("tocsin_lateness_seconds_bucket le=+Inf") == JOBS + 1
    assert grown("tocsin_lateness_seconds_sum") > 0
    assert samples(first.url)["tocsin_queue_messages"] == 0
