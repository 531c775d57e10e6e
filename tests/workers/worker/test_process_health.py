"""A process says itself when it is stuck, and what it waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest

from app.embedded.ports import free_port
from app.observability.metrics import serve_metrics
from tests.processes import wait_until
from workers.process_health import ProcessHealth


@pytest.fixture
def vitals() -> ProcessHealth:
    return ProcessHealth(loop_seconds=0.2, beat_seconds=0.02)


@pytest.fixture
def health(vitals: ProcessHealth) -> Iterator[httpx.Client]:
    port = free_port()
    serve_metrics(port, "127.0.0.1", vitals)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def test_a_part_that_does_not_move_in_its_time_is_named(
    vitals: ProcessHealth, health: httpx.Client
):
    vitals.beat("claiming", within=60)
    assert health.get("/live").json() == {"status": "ok"}
    vitals.beat("handing over", within=0)
    wait_until(lambda: health.get("/live").status_code == 503)
    answer = health.get("/live")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:tocsin:problem:service-unavailable"
    assert answer.json()["detail"] == "handing over: has not moved for 0 s; 0 s are allowed."
    vitals.beat("handing over", within=60)
    assert health.get("/live").status_code == 200


def test_a_blocked_event_loop_is_told_by_another_thread(
    vitals: ProcessHealth, health: httpx.Client
):
    go_on = threading.Event()
    loop = asyncio.new_event_loop()
    running = threading.Thread(target=loop.run_until_complete, args=(vitals.run(),), daemon=True)
    running.start()
    wait_until(lambda: not vitals.stale() and vitals._beats)
    loop.call_soon_threadsafe(go_on.wait)  # as a bug would
    wait_until(lambda: health.get("/live").status_code == 503)
    assert "event loop" in health.get("/live").json()["detail"]
    go_on.set()
    wait_until(lambda: health.get("/live").status_code == 200)


def test_it_is_not_ready_before_it_has_started_nor_without_its_servers(
    vitals: ProcessHealth, health: httpx.Client
):
    assert health.get("/ready").json()["detail"] == "process: is starting."
    vitals.started(lambda: {"primary": "ok", "redis": "refused"})
    assert health.get("/ready").json()["detail"] == "redis: refused."
    vitals.started(lambda: {"primary": "ok"})
    assert health.get("/ready").json() == {"status": "ok"}


def test_metrics_are_where_they_were(health: httpx.Client):
    assert "process_cpu_seconds_total" in health.get("/metrics").text
