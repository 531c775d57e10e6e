"""What every crash test tells: clients go on, something dies, and in the end nothing is missing."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import uuid4

import httpx

from loadtests.sink.arrivals import Arrival
from loadtests.sink.process import SinkProcess
from tests.processes import System, runs_of, wait_until

JOBS = 120
PAUSE_SECONDS = 0.03
SETTLED_SECONDS = 60.0
CLOCK_SECONDS = 75.0
TICKS = 12
CATCH_UP = {"window": "PT10M", "coalesce": "all", "limit": 1_000}
CLAIMED_AHEAD = 7  # ticks that are not due yet, or ring right now


class Clients:
    """A thread that stores jobs one after the other, and remembers those that were accepted."""

    def __init__(self, client: httpx.Client, sink: SinkProcess) -> None:
        self._client = client
        self._sink = sink
        self.tag = str(uuid4())
        self.accepted: dict[str, str] = {}
        self._half = threading.Event()
        self._thread = threading.Thread(target=self._store, daemon=True)

    def start(self) -> None:
        """Begin, and return when half of the attempts to store a job were made."""
        self._thread.start()
        assert self._half.wait(SETTLED_SECONDS)

    def finish(self) -> None:
        """Return when all attempts were made."""
        self._thread.join(SETTLED_SECONDS)
        assert not self._thread.is_alive()

    def _store(self) -> None:
        for number in range(JOBS):
            if number == JOBS // 2:
                self._half.set()
            path = f"/ok?{self.tag}-{number}"
            body = {
                "schedule": {"after": random.uniform(0.05, 4)},
                "target": {"type": "http", "url": self._sink.url + path},
                "retry": {"min_backoff": 0.2, "max_backoff": 1},
                "catchup": CATCH_UP,
            }
            # What is not accepted is the client's to repeat; what is accepted must ring.
            with suppress(httpx.TransportError):
                answer = self._client.post("/jobs", json=body)
                if answer.status_code == 201:
                    self.accepted[answer.json()["id"]] = path
                else:
                    assert answer.status_code == 503, answer.text
            threading.Event().wait(PAUSE_SECONDS)


class Stories:
    """What the tests of a file tell on the same processes, a service each."""

    def __init__(self, system: System, sink: SinkProcess) -> None:
        self._system = system
        self._sink = sink
        self._services: list[str] = []

    def survive(self, kill: Callable[[], object], heal: Callable[[], object]) -> None:
        """Store jobs, kill in the middle, heal, and check that all that was accepted rang.

        Args:
            heal: What an operator's supervisor does after the kill.
        """
        service = f"crash-{uuid4()}"
        with self._system.client(service) as client:
            ticking = _ticking_job(client, self._sink)
            clients = Clients(client, self._sink)
            clients.start()
            kill()
            heal()
            clients.finish()
            # Most were stored; a test in which none is accepted would prove nothing.
            assert len(clients.accepted) >= JOBS // 2
            rung = Rung(self._sink)
            for job_id, path in clients.accepted.items():
                _check_job(client, job_id, path, rung)
            _check_ticks(client, ticking)
        self._services.append(service)

    def are_counted(self) -> None:
        """Check that each run that ended is counted, and counted once.

        After a fault that takes up to a minute, which is waited for once, in the end.
        """
        assert self._services
        for service in self._services:
            with self._system.client(service) as client:
                wait_until(
                    partial(_is_counted, client),
                    seconds=CLOCK_SECONDS,
                    what="statistics count what there is",
                )


def _ticking_job(client: httpx.Client, sink: SinkProcess) -> str:
    body = {
        "schedule": {"every": 1},
        "target": {"type": "http", "url": f"{sink.url}/ok?tick"},
        "retry": {"min_backoff": 0.2, "max_backoff": 1},
        # Each second is to have its run, late ones and those beside one that died included.
        "catchup": CATCH_UP,
        "overlap": "allow_all",
    }
    job_id: str = client.post("/jobs", json=body).json()["id"]
    return job_id


class Rung:
    """What reached the sink, by path; read anew only when a path is not known yet."""

    def __init__(self, sink: SinkProcess) -> None:
        self._sink = sink
        self._known: dict[str, list[Arrival]] = {}

    def at(self, path: str) -> list[Arrival]:
        """The arrivals at a path."""
        if path not in self._known:
            self._known = {}
            for arrival in self._sink.report().arrivals:
                self._known.setdefault(arrival.path, []).append(arrival)
        return self._known.get(path, [])


def _check_job(client: httpx.Client, job_id: str, path: str, rung: Rung) -> None:
    """One run, succeeded, with attempts in order; its target rang, each attempt once at most."""
    wait_until(
        lambda: [run["state"] for run in _runs(client, job_id)] == ["succeeded"],
        seconds=SETTLED_SECONDS,
        what=f"job {job_id} succeeded once: {_runs(client, job_id)}",
    )
    (run,) = _runs(client, job_id)
    attempts = client.get(f"/runs/{run['id']}").json()["attempts"]
    assert [attempt["number"] for attempt in attempts] == list(range(1, len(attempts) + 1))
    assert [attempt["outcome"] for attempt in attempts].count("succeeded") == 1
    assert attempts[-1]["outcome"] == "succeeded"
    arrivals = rung.at(path)
    assert {arrival.webhook_id for arrival in arrivals} == {run["id"]}
    numbers = [arrival.attempt for arrival in arrivals]
    assert len(numbers) == len(set(numbers)) <= len(attempts)


def _check_ticks(client: httpx.Client, job_id: str) -> None:
    """Every second has its run: none is missing between the first and the last."""

    def settled() -> bool:
        runs = _runs(client, job_id)
        return len(runs) >= TICKS and all(
            run["state"] == "succeeded" for run in runs[CLAIMED_AHEAD:]
        )

    wait_until(settled, seconds=SETTLED_SECONDS, what="ticks")
    client.post(f"/jobs/{job_id}/pause")
    seconds = sorted(str(run["scheduled_for"]) for run in _runs(client, job_id))
    times = [int(datetime.fromisoformat(second).timestamp()) for second in seconds]
    assert times == list(range(times[0], times[0] + len(times)))


def _is_counted(client: httpx.Client) -> bool:
    return bool(client.get("/stats").json()["counts"]["succeeded"] == _succeeded(client))


def _succeeded(client: httpx.Client) -> int:
    count, cursor = 0, None
    while True:
        page = {"state": "succeeded", "limit": 200} | ({"cursor": cursor} if cursor else {})
        answer = client.get("/runs", params=page).json()
        count += len(answer["items"])
        if (cursor := answer["next_cursor"]) is None:
            return count


def _runs(client: httpx.Client, job_id: str) -> list[dict[str, object]]:
    try:
        return runs_of(client, job_id)
    except (AssertionError, httpx.TransportError):
        return []  # a server is still coming back
