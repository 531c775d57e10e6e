"""Until a run begins to ring, a pause, an edit or a deletion of its job still wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from loadtests.sink_process import SinkProcess
from tests.firing.target import JobBody, created, ended
from tests.processes import runs_of, wait_until

AHEAD = 2.5  # within the look-ahead, so that the run is claimed and waits in a worker


def claimed(client: httpx.Client, body: dict[str, Any]) -> str:
    """A job whose only run is claimed, and not due yet."""
    job_id = created(client, body)
    wait_until(lambda: runs_of(client, job_id), what="claimed")
    return job_id


def rung(sink: SinkProcess, path: str) -> int:
    return sum(one.path == path for one in sink.report().arrivals)


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
    job_id = claimed(client, job_body(path=path, schedule={"after": AHEAD}))
    if wait_for_worker:
        wait_until(lambda: runs_of(client, job_id)[0]["state"] == "queued", what="queued")
    assert act(client, job_id).is_success
    # A job due later tells when the first one's instant is over.
    ended(client, created(client, job_body(path=marker, schedule={"after": AHEAD})))
    assert rung(sink, marker) == 1
    assert rung(sink, path) == 0


@pytest.mark.parametrize("wait_for_worker", [False, True], ids=["scheduled", "queued"])
def test_an_edited_target_is_rung_and_the_old_one_is_not(
    client: httpx.Client, sink: SinkProcess, job_body: JobBody, wait_for_worker: bool
) -> None:
    old, new = f"/ok?{uuid4()}", f"/ok?{uuid4()}"
    job_id = claimed(client, job_body(path=old, schedule={"after": AHEAD}))
    due = runs_of(client, job_id)[0]["scheduled_for"]
    if wait_for_worker:
        wait_until(lambda: runs_of(client, job_id)[0]["state"] == "queued", what="queued")
    target = {"type": "http", "url": sink.url + new}
    assert client.patch(f"/jobs/{job_id}", json={"target": target}).status_code == 200
    run = ended(client, job_id)
    assert run["state"] == "succeeded"
    assert run["scheduled_for"] == due
    assert (rung(sink, old), rung(sink, new)) == (0, 1)
