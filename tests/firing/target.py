"""An HTTP target that keeps whole requests, and the steps that firing tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx

from tests.firing.listening import Listening, QuietHandler
from tests.processes import runs_of, wait_until

JobBody = Callable[..., dict[str, Any]]
FINAL = ("succeeded", "failed", "cancelled")


class Received(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Target(Listening):
    """Answers every request with one answer, and remembers the requests."""

    def __init__(
        self, status: int = 200, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.received: list[Received] = []
        received = self.received

        class Handler(QuietHandler):
            def answer(self) -> None:
                length = int(self.headers.get("content-length", 0))
                sent = {name.lower(): value for name, value in self.headers.items()}
                received.append(Received(self.command, self.path, sent, self.rfile.read(length)))
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        super().__init__(Handler)


def created(client: httpx.Client, body: dict[str, Any]) -> str:
    """Store a job and return its id."""
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def ended(client: httpx.Client, job_id: str, *, seconds: float = 20) -> dict[str, Any]:
    """The job's only run with its attempts, once it ended."""

    def ended_run() -> dict[str, Any]:
        runs = runs_of(client, job_id)
        if len(runs) != 1:
            return {}
        run: dict[str, Any] = client.get(f"/runs/{runs[0]['id']}").json()
        return run if run.get("state") in FINAL else {}

    return wait_until(ended_run, seconds=seconds, what=f"one ended run of {job_id}")
