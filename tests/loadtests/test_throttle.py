"""A throttled process stands still again and again, and goes on in the end."""

import psutil
import pytest

from loadtests.locust.throttle import throttled
from loadtests.sink.process import SinkProcess
from tests.processes import wait_until

pytestmark = pytest.mark.usefixtures("starts_processes")


def test_it_stands_still_and_goes_on() -> None:
    with SinkProcess() as sink:
        process = psutil.Process(sink.pid)

        def stands_still() -> bool:
            return bool(process.status() == psutil.STATUS_STOPPED)

        with throttled([sink.pid], 0.5):
            wait_until(stands_still, what="stopped")
            wait_until(lambda: not stands_still(), what="goes on")
            wait_until(stands_still, what="stopped again")

        assert not stands_still()
        assert sink.counts().total == 0


def test_a_process_that_is_gone_is_left_alone() -> None:
    with SinkProcess() as sink:
        pid = sink.pid
    with throttled([pid], 0.5):
        pass
