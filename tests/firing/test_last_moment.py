"""Until a run begins to ring, a pause, an edit or a deletion of its job still wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.firing.target import JobBody, created, ended
from tests.processes import runs_of, wait_until

AHEAD = 2.5  # within the look-ahead, so that the run is claimed and waits in a worker


def claimed(client: httpx.Client, body: dict[str, Any], *, by_a_worker: bool) -> dict[str, Any]:
    """The only run of a job, claimed or already with a worker, and not due yet."""
    job_id = created(client, body)

    def claimed_run() -> dict[str, Any]:
        runs = runs_of(client, job_id)
        return runs[0] if runs and (not by_a_worker or runs[0]["state"] == "queued") else {}

    return wait_until(claimed_run, what="claimed")


def rung(sink: SinkProcess, path: str) -> int:
    return sum(one.path == path for one in sink.report().arrivals)


@pytest.mark.promise("last moment")
@pytest.mark.parametrize("wait_for_worker", [False, True], ids=["scheduled", "queued"])
@pytest.mark.parametrize(
    "act",
    [
        lambda client, job: client.post(f"/jobs/{job}/pause"),
        lambda client, job: client.delete(f"/jobs/{job}"),
        lambda client, job: client.patch(f"/jobs/{job}", json={"schedule": {"after": "P1D"}}),
    ],
    ids=["pause", "delete", "new schedule"],
)
def test_a_claimed_run_does_not_ring_after(
    client: httpx.Client,
    sink: SinkProcess,
    job_body: JobBody,
    act: Callable[[httpx.Client, str], httpx.Response],
    wait_for_worker: bool,
) -> None:
    path, marker = f"/ok?{uuid4()}", f"/ok?{uuid4()}"
    body = job_body(path=path, schedule={"after": AHEAD})
    run = claimed(client, body, by_a_worker=wait_for_worker)
    assert act(client, run["job_id"]).is_success
    # A job due later tells when the first one's instant is over.
    ended(client, created(client, job_body(path=marker, schedule={"after": AHEAD})))
    assert rung(sink, marker) == 1
    assert rung(sink, path) == 0


@pytest.mark.promise("last moment")
@pytest.mark.parametrize("wait_for_worker", [False, True], ids=["scheduled", "queued"])
def test_an_edited_target_is_rung_and_the_old_one_is_not(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody, wait_for_worker: bool
) -> None:
    old, new = f"/ok?{uuid4()}", f"/ok?{uuid4()}"
    body = job_body(path=old, schedule={"after": AHEAD})
    first = claimed(client, body, by_a_worker=wait_for_worker)
    job_id = first["job_id"]
    target = {"type": "http", "url": sink.url + new}
    assert client.patch(f"/jobs/{job_id}", json={"target": target}).status_code == 200
    run = ended(client, job_id)
    assert run["state"] == "succeeded"
    assert run["scheduled_for"] == first["scheduled_for"]
    assert (rung(sink, old), rung(sink, new)) == (0, 1)
