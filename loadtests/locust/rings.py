"""Whether every run that was triggered rang at the sink."""

import time
from collections.abc import Iterable
from urllib.request import urlopen

import msgspec

from loadtests.locust.judging import Rings
from loadtests.sink.arrivals import Report

EVERY_SECONDS = 0.5
REQUEST_SECONDS = 30.0


def rings_of(sink: str, triggered: Iterable[str], *, seconds: float) -> Rings:
    """Look at what reached the sink until all is there, or the time is up."""
    wanted = set(triggered)
    deadline = time.monotonic() + seconds
    while True:
        report = _report(sink)
        missing = wanted - {arrival.webhook_id for arrival in report.arrivals}
        if not missing or time.monotonic() >= deadline:
            return Rings(triggered=len(wanted), missing=len(missing), forgotten=report.forgotten)
        time.sleep(EVERY_SECONDS)


def _report(sink: str) -> Report:
    with urlopen(f"{sink}/_report", timeout=REQUEST_SECONDS) as answer:
        return msgspec.json.decode(answer.read(), type=Report)
