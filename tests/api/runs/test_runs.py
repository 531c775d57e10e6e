"""Runs as clients read them."""

from __future__ import annotations

import httpx

from tests.firing.target import JobBody, created


def test_a_run_tells_its_fire_time_in_utc_and_as_clocks_showed_it(
    client: httpx.Client, job_body: JobBody
) -> None:
    schedule = {"cron": "0 3 1 1 *", "timezone": "Asia/Kathmandu"}
    job_id = created(client, job_body(schedule=schedule))
    run = client.post(f"/jobs/{job_id}/trigger").json()
    assert run["scheduled_for"].endswith("Z")
    assert run["local_time"].endswith("+05:45")
    assert client.get(f"/runs/{run['id']}").json()["local_time"] == run["local_time"]
