"""Clients that store jobs and read them back while something fails over, and what became of all."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx

from loadtests.sink.arrivals import Arrival
from loadtests.sink.process import SinkProcess
from tests.processes import wait_until

log = logging.getLogger(__name__)
THREADS = 2
PAUSE_SECONDS = 0.02
SETTLED_SECONDS = 45.0
CATCH_UP = {"window": "PT10M", "coalesce": "all", "limit": 1_000}
RETRY = {"min_backoff": 0.2, "max_backoff": 1}
ENDED = {"succeeded", "failed", "cancelled"}


class Traffic:
    """What clients asked, and what they were answered.

    Attributes:
        accepted: The path that the target of each job has that was accepted.
        failed: Requests that were not answered as they should, by what came instead.
        writes: When a job was accepted, by the monotonic clock.
    """

    def __init__(self, client: httpx.Client, sink: SinkProcess) -> None:
        self._client = client
        self._sink = sink
        self._stopped = threading.Event()
        self._tag = str(uuid4())
        self.accepted: dict[str, str] = {}
        self.asked = 0
        self.failed: Counter[str] = Counter()
        self.writes: list[float] = []
        self.ticking = self._tick()

    def write_on(self, thread: int) -> None:
        """Store a job and read it back, again and again."""
        number = 0
        while not self._stopped.wait(PAUSE_SECONDS):
            number += 1
            path = f"/ok?{self._tag}-{thread}-{number}"
            body = self._body(path, {"after": random.uniform(0.05, 3)})
            answer = self._ask("POST", "/jobs", 201, json=body)
            if answer is None:
                continue
            self.writes.append(time.monotonic())
            self.accepted[answer["id"]] = path
            read = self._ask("GET", f"/jobs/{answer['id']}", 200)
            if read is not None and read["target"] != answer["target"]:
                self.failed["another job"] += 1

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def wait_for_writes(self, count: int) -> None:
        """Return when so many more jobs were accepted than now."""
        wanted = len(self.writes) + count
        wait_until(lambda: len(self.writes) >= wanted, seconds=30, what=f"writes: {self.failed}")

    def wait_for_failures(self, count: int) -> None:
        """Return when so many more requests failed than now."""
        wanted = self.failed.total() + count
        wait_until(lambda: self.failed.total() >= wanted, seconds=30, what="failures")

    def longest_gap(self) -> float:
        """Seconds between two jobs that were accepted one after the other, at most."""
        times = sorted(self.writes)
        return max(later - one for one, later in pairwise(times))

    def _tick(self) -> str:
        body = self._body(f"/ok?{self._tag}-tick", {"every": 1}) | {"overlap": "allow_all"}
        answer = self._client.post("/jobs", json=body)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def _body(self, path: str, schedule: dict[str, Any]) -> dict[str, Any]:
        target = {"type": "http", "url": self._sink.url + path}
        return {"schedule": schedule, "target": target, "retry": RETRY, "catchup": CATCH_UP}

    def _ask(self, method: str, path: str, expected: int, **more: Any) -> Any:
        self.asked += 1
        try:
            answer = self._client.request(method, path, **more)
        except httpx.TransportError as error:
            self.failed[f"{method} {error!r}"] += 1
            return None
        if answer.status_code != expected:
            self.failed[f"{method} {answer.status_code} {answer.text[:200]}"] += 1
            return None
        return answer.json()


@contextmanager
def traffic(
    client: httpx.Client, sink: SinkProcess, *, threads: int = THREADS
) -> Iterator[Traffic]:
    """Clients go on while the block does its work."""
    made = Traffic(client, sink)
    writers = [
        threading.Thread(target=made.write_on, args=(number,), daemon=True)
        for number in range(threads)
    ]
    for thread in writers:
        thread.start()
    try:
        made.wait_for_writes(20)
        yield made
    finally:
        made.stop()
        for thread in writers:
            thread.join(30)


class Outcome:
    """What became of all jobs: each accepted one rang once, and each second has its run."""

    def __init__(self, client: httpx.Client, sink: SinkProcess, made: Traffic) -> None:
        self._client = client
        wait_until(
            lambda: made.accepted.keys() <= self._ended().keys(),
            seconds=SETTLED_SECONDS,
            what="all accepted jobs have rung",
        )
        client.post(f"/jobs/{made.ticking}/pause")
        wait_until(lambda: self._open() == 0, seconds=SETTLED_SECONDS, what="all runs have ended")
        self.runs = self._ended()
        self._arrivals = _by_id(sink)
        for job_id in made.accepted:
            assert len(self.runs[job_id]) == 1, self.runs[job_id]
        _check_seconds(self.runs[made.ticking])
        for run in self._all():
            assert run["state"] == "succeeded", run

    def tell(self, made: Traffic, **seconds: float) -> None:
        """Log what was seen, for `pytest --log-cli-level=INFO`."""
        seconds |= {"lateness": self.lateness, "gap between writes": made.longest_gap()}
        log.info(
            "%d requests, %d failed, %d jobs, %d runs; %s",
            made.asked,
            sum(made.failed.values()),
            len(made.accepted),
            sum(map(len, self.runs.values())),
            ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()),
        )

    def rang_once(self) -> None:
        """Fail if a target heard of a run twice, or of one that is not recorded."""
        for run in self._all():
            assert len(self._arrivals.get(str(run["id"]), ())) == 1, run

    def rang(self) -> None:
        """Fail if a target was not told of a run, or was told of an attempt twice."""
        for run in self._all():
            attempts = [arrival.attempt for arrival in self._arrivals.get(str(run["id"]), ())]
            assert attempts, run
            assert len(set(attempts)) == len(attempts), (run, attempts)

    @property
    def lateness(self) -> float:
        """Of the run that began latest, in seconds."""
        return max(float(run["lateness_ms"]) for run in self._all()) / 1_000

    def _all(self) -> Iterator[dict[str, Any]]:
        for runs in self.runs.values():
            yield from runs

    def _ended(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for run in self._pages():
            if run["state"] in ENDED:
                found.setdefault(run["job_id"], []).append(run)
        return found

    def _open(self) -> int:
        return sum(run["state"] not in ENDED for run in self._pages())

    def _pages(self) -> Iterator[dict[str, Any]]:
        cursor: dict[str, str] = {}
        while True:
            answer = self._client.get("/runs", params={"limit": 200} | cursor)
            if answer.status_code != 200:
                return  # a server is still coming back
            yield from answer.json()["items"]
            if (next_cursor := answer.json()["next_cursor"]) is None:
                return
            cursor = {"cursor": next_cursor}


def _by_id(sink: SinkProcess) -> dict[str, list[Arrival]]:
    return sink.report().by_id()


def _check_seconds(runs: list[dict[str, Any]]) -> None:
    """None is missing between the first and the last, and none is there twice."""
    times = sorted(int(datetime.fromisoformat(run["scheduled_for"]).timestamp()) for run in runs)
    assert times == list(range(times[0], times[0] + len(times)))
