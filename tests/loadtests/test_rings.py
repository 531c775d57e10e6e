"""Every triggered run has to be at the sink, by its id."""

from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from loadtests.locust.judging import Rings
from loadtests.locust.rings import rings_of
from loadtests.sink.process import SinkProcess

pytestmark = pytest.mark.usefixtures("starts_processes")


def ring(sink: SinkProcess, *ids: str) -> None:
    address = urlsplit(sink.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=5)
    for webhook_id in ids:
        connection.request("POST", "/ok", headers={"webhook-id": webhook_id})
        connection.getresponse().read()
    connection.close()


def test_all_rang_and_others_do_not_matter() -> None:
    with SinkProcess() as sink:
        ring(sink, "a", "b", "of a schedule")

        assert rings_of(sink.url, ["a", "b"], seconds=5) == Rings(triggered=2, missing=0)


def test_another_run_does_not_stand_for_one_that_is_missing() -> None:
    with SinkProcess() as sink:
        ring(sink, "a", "of a schedule")

        assert rings_of(sink.url, ["a", "b"], seconds=0.2).missing == 1


def test_what_the_sink_forgot_is_told() -> None:
    with SinkProcess(keep=1) as sink:
        ring(sink, "a", "b")

        found = rings_of(sink.url, ["a", "b"], seconds=0.2)

    assert found == Rings(triggered=2, missing=1, forgotten=1)
