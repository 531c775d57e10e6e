"""Commands whose instant lies before what a claim has told of meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from commands.calendars.put_calendar import PutCalendar, put_calendar
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.overlap import Overlap
from domain.schedules.schedule import Exclusion, Schedule
from tests.commands.changing import pause, resume, update
from tests.commands.firing import NOON, SECOND, Firing
from tests.commands.telling import told

LATEST = CatchupPolicy(window=3600 * SECOND, coalesce=Coalesce.LATEST)
LATE, CLAIMED = NOON + 20 * SECOND, NOON + 30 * SECOND
COMES_ON = CLAIMED + 15 * SECOND
COALESCED = (3.0, 24.0, "coalesced")

Command = Callable[[Firing, UUID], Awaitable[Any]]


async def _pause(firing: Firing, job_id: UUID) -> None:
    await pause(firing.shards, firing.caller, job_id, LATE)


async def _pause_and_resume(firing: Firing, job_id: UUID) -> None:
    await _pause(firing, job_id)
    await resume(firing.shards, firing.caller, job_id, LATE + SECOND)


async def _reschedule(firing: Firing, job_id: UUID) -> None:
    schedule = Schedule(accepted_at=LATE, every=5 * SECOND)
    await update(firing.shards, firing.caller, job_id, now=LATE, schedule=schedule)


async def _change_overlap(firing: Firing, job_id: UUID) -> None:
    await update(firing.shards, firing.caller, job_id, now=LATE, overlap=Overlap.ALLOW_ALL)


async def _put_calendar(firing: Firing, job_id: UUID) -> None:
    await put_calendar(
        PutCalendar(caller=firing.caller, name="away", description="", exclude=(), now=LATE),
        firing.shards,
    )


@pytest.mark.promise("late commands")
@pytest.mark.parametrize(
    "command", [_pause, _pause_and_resume, _reschedule, _change_overlap, _put_calendar]
)
async def test_a_late_command_leaves_what_a_claim_told_meanwhile(
    firing: Firing, command: Command
) -> None:
    await _put_calendar(firing, UUID(int=0))
    away = (Exclusion(calendar="away"),)
    job = await firing.job(every=3 * SECOND, exclude=away, catchup=LATEST)
    await firing.claim(NOON, now=NOON)
    # Dispatchers were away: what they missed, 3 to 24, is coalesced into 27.
    await firing.claim(CLAIMED, now=CLAIMED)
    await command(firing, job.id)
    await firing.claim(COMES_ON, now=COMES_ON)
    story = await told(firing, job.id, COMES_ON, unit=1)
    assert COALESCED in story
    ends = [(first, last) for first, last, _ in sorted(story)]
    assert all(last < first for (_, last), (first, _) in pairwise(ends))


async def test_a_one_shot_that_falls_into_what_was_told_meanwhile_is_late_and_not_lost(
    firing: Firing,
) -> None:
    job = await firing.job(every=3 * SECOND, catchup=LATEST)
    await firing.claim(NOON, now=NOON)
    await firing.claim(CLAIMED, now=CLAIMED)
    once = Schedule(accepted_at=LATE, after=SECOND)
    await update(firing.shards, firing.caller, job.id, now=LATE, schedule=once)
    claimed = await firing.claim(COMES_ON, now=COMES_ON)
    assert [run.due_at for run in claimed.runs] == [LATE + SECOND]
