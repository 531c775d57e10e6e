"""The generator sends what it was given and counts what it got."""

from collections import Counter
from collections.abc import Iterator

import pytest

from loadtests.measures.load import Load, Request, put
from loadtests.sink.process import SinkProcess


@pytest.fixture(scope="module")
def sink(starts_processes: None) -> Iterator[SinkProcess]:
    with SinkProcess() as running:
        yield running


def test_sends_every_request_in_turn_and_no_more(sink: SinkProcess) -> None:
    sink.reset()
    requests = [Request(method="POST", path=f"/ok?n={n}", body="{}") for n in range(10)]

    outcome = put(Load(url=sink.url, requests=requests, connections=4, count=25, seconds=10))

    paths = Counter(arrival.path for arrival in sink.report().arrivals)
    assert (outcome.requests, outcome.errors) == (25, 0)
    assert sorted(paths.values()) == [2] * 5 + [3] * 5


def test_a_request_has_headers_of_its_own(sink: SinkProcess) -> None:
    sink.reset()
    requests = [
        Request(method="POST", path="/ok", headers={"webhook-id": name}) for name in ("a", "b")
    ]

    put(Load(url=sink.url, requests=requests, connections=1, count=3, seconds=10))

    assert [arrival.webhook_id for arrival in sink.report().arrivals] == ["a", "b", "a"]


def test_counts_statuses(sink: SinkProcess) -> None:
    requests = [Request(method="GET", path=path) for path in ("/ok", "/status/503")]

    outcome = put(Load(url=sink.url, requests=requests, count=10, seconds=10))

    assert outcome.statuses == {200: 5, 503: 5}
    assert outcome.errors == 5


def test_measures_latency_and_rate(sink: SinkProcess) -> None:
    slow = [Request(method="GET", path="/slow/50")]  # the sink's timer may be 1 ms early

    outcome = put(Load(url=sink.url, requests=slow, connections=5, count=20, seconds=10))

    assert 48 <= outcome.latency.least <= outcome.latency.p99 < 200
    assert 40 < outcome.per_second < 105


def test_stops_when_its_time_is_up(sink: SinkProcess) -> None:
    slow = [Request(method="GET", path="/slow/20")]

    outcome = put(Load(url=sink.url, requests=slow, connections=2, seconds=0.3))

    assert outcome.errors == 0
    assert 0.2 < outcome.seconds < 1.0


@pytest.mark.usefixtures("starts_processes")
def test_counts_requests_that_nobody_answers() -> None:
    with SinkProcess() as gone:
        url = gone.url

    outcome = put(
        Load(url=url, requests=[Request(method="GET", path="/")], connections=2, count=5, seconds=5)
    )

    assert (outcome.requests, outcome.errors) == (0, 5)


def test_sends_load_to_this_machine_only() -> None:
    elsewhere = Load(url="http://192.0.2.1:80", requests=[], seconds=1)

    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        put(elsewhere)
