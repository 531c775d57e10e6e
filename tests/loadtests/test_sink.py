"""The sink counts what reaches it and behaves as its path says."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from loadtests.sink.process import SinkProcess


@pytest.fixture(scope="module")
def started(starts_processes: None) -> Iterator[SinkProcess]:
    with SinkProcess() as running:
        yield running


@pytest.fixture
def sink(started: SinkProcess) -> SinkProcess:
    started.reset()
    return started


def deliver(
    sink: SinkProcess,
    path: str,
    webhook_id: str = "run-1",
    attempt: int = 1,
    *,
    seconds: float = 5.0,
) -> HTTPResponse:
    address = urlsplit(sink.url)
    headers = {"Webhook-Id": webhook_id, "Tocsin-Attempt": str(attempt)}
    opened = HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    with closing(opened) as connection:
        connection.request("POST", path, body=b'{"n": 1}', headers=headers)
        answer = connection.getresponse()
        answer.read()
    return answer


def raw(sink: SinkProcess, *, answers: int, requests: bytes) -> bytes:
    """Send bytes as they are, and read until so many answers came."""
    address = urlsplit(sink.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(requests)
        received = b""
        while received.count(b"HTTP/1.1 ") < answers:
            received += connection.recv(65_536)
    return received


def test_counts_retries_apart_from_duplicates(sink: SinkProcess) -> None:
    deliver(sink, "/ok", "a", 1)
    deliver(sink, "/ok", "a", 2)
    deliver(sink, "/ok", "b", 1)
    deliver(sink, "/ok", "b", 1)

    counts = sink.counts()

    assert (counts.total, counts.unique_ids, counts.repeats, counts.duplicates) == (4, 2, 2, 1)


def test_reports_every_arrival_with_its_time_and_path(sink: SinkProcess) -> None:
    before = time.time_ns()
    deliver(sink, "/ok?n=7", "a", 3)

    [arrival] = sink.report().by_id()["a"]

    assert (arrival.attempt, arrival.path, arrival.status) == ("3", "/ok?n=7", 200)
    assert before <= arrival.arrived_ns <= time.time_ns()


def test_reset_forgets(sink: SinkProcess) -> None:
    deliver(sink, "/ok")
    sink.reset()

    assert sink.counts().total == 0
    assert sink.report().arrivals == []


@pytest.mark.parametrize(
    ("path", "status"), [("/status/503", 503), ("/status/204", 204), ("/status/many", 400)]
)
def test_answers_with_the_status_of_its_path(sink: SinkProcess, path: str, status: int) -> None:
    assert deliver(sink, path).status == status


def test_fails_as_often_as_its_path_says_for_each_id(sink: SinkProcess) -> None:
    statuses = [deliver(sink, "/fail/2", "a", attempt).status for attempt in (1, 2, 3)]

    assert statuses == [500, 500, 200]
    assert deliver(sink, "/fail/2", "b").status == 500


def test_asks_once_for_a_later_retry(sink: SinkProcess) -> None:
    first = deliver(sink, "/retry-after/2")

    assert (first.status, first.headers["Retry-After"]) == (503, "2")
    assert deliver(sink, "/retry-after/2").status == 200


def test_delays(sink: SinkProcess) -> None:
    before = time.monotonic()
    deliver(sink, "/slow/150")

    assert 0.148 <= time.monotonic() - before < 1.0


def test_never_answers_but_counts(sink: SinkProcess) -> None:
    with pytest.raises(TimeoutError):
        deliver(sink, "/hang", "a", seconds=0.2)

    assert sink.counts().unique_ids == 1


def test_answers_pipelined_requests_in_order(sink: SinkProcess) -> None:
    paths = ["/slow/100", "/status/404", "/ok"]
    requests = b"".join(
        f"POST {path} HTTP/1.1\r\nhost: sink\r\ncontent-length: 3\r\n\r\nabc".encode()
        for path in paths
    )

    received = raw(sink, answers=3, requests=requests)

    statuses = [part[:3] for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"404", b"200"]
    assert sink.counts().unidentified == 3


@pytest.mark.usefixtures("starts_processes")
def test_remembers_no_more_than_its_cap() -> None:
    with SinkProcess(keep=2) as small:
        for name in "abc":
            deliver(small, "/ok", name)
        counts = small.counts()

    assert (counts.total, counts.unique_ids, counts.forgotten) == (3, 2, 1)


def test_waits_for_a_number_of_ids(sink: SinkProcess) -> None:
    deliver(sink, "/ok", "a")

    assert sink.wait_for(1, seconds=5).unique_ids == 1
    assert sink.wait_for(2, seconds=0.2).unique_ids == 1
