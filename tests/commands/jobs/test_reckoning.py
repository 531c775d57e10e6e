"""What takes long to reckon is reckoned beside the event loop, however few specs it has."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from commands.jobs import reschedule as rescheduling
from domain.policies.catchup_plan import COUNTED
from domain.schedules.kinds import Spec
from domain.schedules.schedule import Exclusion, Schedule
from storage.jobs import changes as job_changes
from storage.jobs.reckoning import Reckoning, elsewhere, is_cheap, times_between
from tests.commands.changing import pause, resume, update
from tests.commands.firing import NOON, SECOND, Firing

NOW = datetime(2031, 5, 10, tzinfo=UTC)
COUNTING = "DTSTART:20200101T000000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=1000"


def schedule(*specs: Spec, exclude: tuple[Exclusion, ...] = ()) -> Schedule:
    return Schedule(accepted_at=NOW, specs=specs, exclude=exclude)


@pytest.mark.parametrize(
    ("of", "times", "cheap"),
    [
        (schedule(Spec(cron="0 3 * * *")), 1, True),
        (schedule(Spec(every=SECOND)), 100, True),
        (schedule(*[Spec(cron=f"{n} 3 * * *") for n in range(5)]), 100, True),
        (schedule(Spec(rrule="DTSTART:20200101T000000\nRRULE:FREQ=DAILY")), 10, True),
        (schedule(Spec(every=SECOND)), 20_000, False),
        (schedule(*[Spec(cron=f"{n} 3 * * *") for n in range(9)]), 100, False),
        (schedule(Spec(every=SECOND), exclude=(Exclusion(cron="* * * * *"),)), 1, False),
        (schedule(Spec(rrule=COUNTING)), 1, False),
    ],
)
def test_cost_is_told_by_specs_and_fire_times(of: Schedule, times: int, cheap: bool):
    assert is_cheap(of, times) is cheap


def test_an_account_looks_at_no_more_than_it_counts():
    assert times_between(NOW, NOW + timedelta(seconds=9)) == 10
    assert times_between(NOW, NOW - timedelta(seconds=9)) == 1
    assert times_between(NOW, NOW + timedelta(days=9)) == COUNTED


async def test_only_what_is_cheap_is_reckoned_in_the_event_loop():
    reckoning = Reckoning()
    here = threading.get_ident()
    for times, stays in ((1, True), (1_000, False)):
        of = schedule(Spec(every=SECOND))
        asked = await reckoning.run(uuid4(), of, threading.get_ident, times=times)
        assert (asked == here) is stays
        assert (await elsewhere(of, threading.get_ident, times=times) == here) is stays
    reckoning.close()


async def test_commands_of_a_job_that_excludes_much_leave_the_event_loop(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    asked: list[int] = []

    def noting(question: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any, **options: Any) -> Any:
            asked.append(threading.get_ident())
            return question(*arguments, **options)

        return ask

    for module, name in (
        (rescheduling, "check_schedule"),
        (rescheduling, "check_frequency"),
        (job_changes, "next_fire_time"),
        (job_changes, "account"),
    ):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    excluded = (Exclusion(cron="0 0 * * *"),)
    job = await firing.job(every=SECOND, exclude=excluded)
    for number in range(2):
        every = (number + 2) * SECOND
        costly = Schedule(accepted_at=NOON, every=every, exclude=excluded)
        await update(firing.shards, firing.caller, job.id, NOON + number * SECOND, schedule=costly)
    await pause(firing.shards, firing.caller, job.id, NOON + 2 * SECOND)
    await resume(firing.shards, firing.caller, job.id, NOON + 3 * SECOND)
    assert len(asked) >= 6
    assert threading.get_ident() not in asked
