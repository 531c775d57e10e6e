"""Simulated clients: services that look at their jobs, create some, and run some at once.

Locust reads this file; `python -m loadtests.locust_run` starts it with the servers it needs.
"""

# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False
# Locust is not installed where types are checked.

import os
import random
from collections import deque
from typing import Any

from locust import FastHttpUser, between, task

KEY = os.environ["TOCSIN_LOADTEST_KEY"]
SINK = os.environ["TOCSIN_LOADTEST_SINK"]
REMEMBERED = 20


class Client(FastHttpUser):
    """One client of one service; task weights are percents."""

    wait_time = between(0.1, 1.0)

    def on_start(self) -> None:
        """Have a job to look at."""
        self.job_ids: deque[str] = deque(maxlen=REMEMBERED)
        self.create_job()

    @task(40)
    def get_job(self) -> None:
        """Look at a job."""
        self.call("GET", f"/jobs/{self.any_job()}", name="GET /jobs/{id}")

    @task(25)
    def list_jobs(self) -> None:
        """Look at the newest jobs."""
        self.call("GET", "/jobs?limit=50", name="GET /jobs")

    @task(15)
    def list_runs(self) -> None:
        """See what became of a job."""
        self.call("GET", f"/jobs/{self.any_job()}/runs", name="GET /jobs/{id}/runs")

    @task(10)
    def create_job(self) -> None:
        """Store an hourly job."""
        job = {
            "name": "simulated",
            "schedule": {"every": "PT1H"},
            "target": {"type": "http", "url": f"{SINK}/ok", "method": "POST", "body": {"n": 1}},
        }
        created = self.call("POST", "/jobs", name="POST /jobs", json=job)
        if created.status_code == 201:
            self.job_ids.append(created.json()["id"])

    @task(10)
    def trigger_job(self) -> None:
        """Run a job now."""
        self.call("POST", f"/jobs/{self.any_job()}/trigger", name="POST /jobs/{id}/trigger")

    def any_job(self) -> str:
        """One of the jobs this client created lately."""
        return random.choice(self.job_ids)

    def call(self, method: str, path: str, *, name: str, **content: Any) -> Any:
        """Send a request as this client."""
        headers = {"Authorization": f"Bearer {KEY}"}
        return self.client.request(method, path, name=name, headers=headers, **content)
