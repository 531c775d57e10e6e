"""What schedules cost is bounded in steps: of a plan, of a service in a claim, of a backfill."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from commands.backfills.continue_backfills import continue_backfills
from commands.backfills.start_backfill import StartBackfill, start_backfill
from commands.calendars.put_calendar import PutCalendar, put_calendar
from commands.firing.claims import claim_budget as claim_work
from commands.firing.claims.claim_budget import SERVICE_STEPS, ClaimWork
from commands.firing.claims.claim_runs import BROKEN_REST
from commands.firing.claims.job_fires import JobFires, fires_of
from domain.errors import Invalid
from domain.policies.catchup import CatchupPolicy, Coalesce
from domain.policies.catchup_plan import PLAN_STEPS
from domain.policies.overlap import Overlap
from domain.schedules.kinds.work import Work
from domain.schedules.schedule import Exclusion
from tests.commands.firing import DUE, NOON, SECOND, Firing

CALENDARS = ("one", "other")
NAMED = tuple(Exclusion(calendar=name) for name in CALENDARS)
LONG = CatchupPolicy(window=timedelta(days=2), coalesce=Coalesce.ALL, limit=1_000)
HOUR = timedelta(hours=1)


def rules(count: int, hour: int) -> tuple[Exclusion, ...]:
    """Rules that name no second of these tests, and are asked about each."""
    return tuple(
        Exclusion(
            rrule=f"DTSTART:20200101T{hour:02}{n % 60:02}{n // 60:02}\n"
            "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=1"
        )
        for n in range(count)
    )


async def put_calendars(firing: Firing, now: datetime) -> None:
    for hour, name in enumerate(CALENDARS):
        command = PutCalendar(
            caller=firing.caller, name=name, description="", exclude=rules(90, hour), now=now
        )
        await put_calendar(command, firing.shards)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """The work of every schedule that is reckoned with."""
    made: list[Work] = []
    before = Work.__init__

    def counting(work: Work) -> None:
        before(work)
        made.append(work)

    monkeypatch.setattr(Work, "__init__", counting)
    return made


def cost(steps: list[Work]) -> int:
    return sum(work.steps for work in steps)


async def test_costly_late_jobs_are_set_aside_and_a_neighbour_is_claimed(
    firing: Firing, other_service: Firing, steps: list[Work]
):
    since = NOON - HOUR
    await put_calendars(firing, since)
    costly = [
        await firing.job(now=since, every=SECOND, exclude=NAMED, catchup=LONG) for _ in range(5)
    ]
    neighbour = await other_service.job(now=NOON, every=SECOND)
    steps.clear()
    until = NOON + 5 * SECOND
    assert not (await firing.claim(until)).full
    assert cost(steps) < 4 * (SERVICE_STEPS + PLAN_STEPS)
    assert len(await other_service.runs(neighbour.id)) == 6
    for job in costly:
        row = await firing.job_row(job.id)
        assert row["next_claim_at"] > until


async def test_costly_jobs_that_were_set_aside_run_each_second_and_leave_no_gap(firing: Firing):
    since = NOON - 90 * SECOND
    await put_calendars(firing, since)
    job = await firing.job(now=since, every=SECOND, exclude=NAMED, catchup=LONG)
    now = NOON
    while (await firing.job_row(job.id))["accounted_to"] < NOON:
        await firing.claim(now + 5 * SECOND, now=now)
        now += SECOND
    assert now - NOON < 10 * SECOND
    runs = {run["scheduled_for"] for run in await firing.runs(job.id)}
    assert {NOON - n * SECOND for n in range(90)} <= runs


def backfill(firing: Firing, job_id: object, *, dry_run: bool) -> StartBackfill:
    return StartBackfill(
        caller=firing.caller,
        job_id=job_id,  # type: ignore[arg-type]
        start=NOON - 6_000 * SECOND,
        end=NOON,
        overlap=Overlap.ALLOW_ALL,
        only_missing=False,
        runs_per_minute=60_000,
        dry_run=dry_run,
        now=NOON,
    )


async def test_a_costly_backfill_is_counted_as_far_as_its_budget_goes(
    firing: Firing, steps: list[Work]
):
    await put_calendars(firing, NOON)
    job = await firing.job(now=NOON - HOUR, every=SECOND, exclude=NAMED)
    steps.clear()
    command = backfill(firing, job.id, dry_run=True)
    counted = await start_backfill(command, firing.shards)
    assert counted.continues_at is not None
    assert command.start < counted.continues_at < command.end
    assert counted.total == (counted.continues_at - command.start) // SECOND
    assert cost(steps) < 1_000_000
    with pytest.raises(Invalid, match="too costly; end it at") as refusal:
        await start_backfill(backfill(firing, job.id, dry_run=False), firing.shards)
    assert refusal.value.pointer == "/end"


async def test_backfills_of_costly_schedules_go_on_in_steps(firing: Firing, steps: list[Work]):
    await put_calendars(firing, NOON)
    job = await firing.job(now=NOON - HOUR, every=SECOND, exclude=NAMED)
    counted = await start_backfill(backfill(firing, job.id, dry_run=True), firing.shards)
    assert counted.continues_at is not None
    command = backfill(firing, job.id, dry_run=False)
    for _ in range(4):
        shorter = StartBackfill(
            **{name: getattr(command, name) for name in command.__struct_fields__}
            | {"end": counted.continues_at}
        )
        await start_backfill(shorter, firing.shards)
    steps.clear()
    now = NOON
    await continue_backfills(now, firing.database)
    assert cost(steps) < 200_000
    while await firing.rows("SELECT FROM backfills WHERE state = 'running'"):
        now += SECOND
        await continue_backfills(now, firing.database)
    rows = await firing.rows("SELECT run_count, total FROM backfills")
    assert [row["run_count"] for row in rows] == [counted.total] * 4


async def test_a_job_that_is_asked_about_again_is_not_set_aside(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    """With what has its run already, it has been reckoned with once: it would be so for ever."""
    monkeypatch.setattr(claim_work, "SERVICE_STEPS", 0)
    since = NOON - 3 * SECOND
    midnight = (Exclusion(cron="0 0 * * *"),)
    job = await firing.job(now=since, every=SECOND, exclude=midnight, catchup=LONG)
    row = await firing.job_row(job.id)

    async def asked(told: list[datetime]) -> JobFires:
        return await fires_of(row, {}, told, now=NOON, until=NOON, work=ClaimWork())

    aside, again = await asked([]), await asked([since])
    assert (aside.instants, aside.accounted_to) == ([], row["accounted_to"])
    assert again.accounted_to == NOON
    assert again.instants == [NOON - n * SECOND for n in (2, 1, 0)]


async def test_a_job_that_cannot_be_reckoned_with_keeps_no_other_from_firing(firing: Firing):
    broken = await firing.job(cron="0 12 * * *", timezone="America/Vancouver", now=NOON)
    other = await firing.job()
    await firing.rows(
        "UPDATE jobs SET next_claim_at = $2, next_fire_for = $2, "
        "schedule = replace(schedule::text, 'America/Vancouver', 'No/Where')::json WHERE id = $1",
        broken.id,
        NOON,
    )
    with capture_logs() as told:
        claim = await firing.claim(DUE)
    assert [(await firing.run(run.id))["job_id"] for run in claim.runs] == [other.id]
    said = [line for line in told if line["event"] == "claim.job_not_reckoned"]
    assert [line["job_id"] for line in said] == [str(broken.id)]
    row = await firing.job_row(broken.id)
    assert (row["next_fire_for"], row["next_claim_at"]) == (NOON, DUE + BROKEN_REST)
