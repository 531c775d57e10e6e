"""What we rely on in the insides of Periodiq's scheduler: workers/housekeeping/clock.py."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from periodiq import Scheduler, cron

from workers.housekeeping.clock import RETRY_SECONDS


@pytest.fixture
def alarms() -> Iterator[None]:
    """Whatever the scheduler sets, is set back."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Counting(Scheduler):
    """Schedules once more when it is woken, and then ends."""

    def __init__(self, actors: list[Any]) -> None:
        super().__init__(actors=actors)
        self.woken = 0

    def schedule(self) -> None:
        self.woken += 1
        self.alarm_q.put(None)


@pytest.mark.usefixtures("alarms")
def test_it_sleeps_by_an_alarm_until_the_next_minute() -> None:
    never = SimpleNamespace(options={"periodic": cron("0 0 1 1 *")})
    Scheduler(actors=[never]).schedule()
    left = signal.alarm(0)
    assert RETRY_SECONDS < left <= timedelta(days=366).total_seconds()


def test_woken_it_calls_what_we_have_put_in_place_of_its_own() -> None:
    scheduler = Counting([])
    scheduler.signal_handler()
    scheduler.loop()
    assert scheduler.woken == 1
