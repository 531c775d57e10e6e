"""Services get equal shares where more is due than one claim takes."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from commands.firing.claims.claim_runs import Claim, ClaimRuns, claim_runs
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from storage.runs.claimable import ClaimShares
from storage.shards import Shards
from tests.commands.firing import DUE, NOON, SECOND, Firing, failed

ROOM = 1_000


@pytest.fixture(autouse=True)
def small_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.firing.claims.claim_runs.JOBS_AT_ONCE", 8)
    monkeypatch.setattr("commands.firing.claims.claim_runs.LATE_JOBS_AT_ONCE", 8)


async def other_service(shards: Shards) -> Firing:
    key = await bootstrap_key(BootstrapKey(service_name=f"test-{uuid4()}", now=NOON), shards)
    service_id = service_of(key)
    assert service_id is not None
    return Firing(shards, Caller(service_id=service_id, principal="key:other", request_id="test"))


async def claim(
    firing: Firing,
    held: dict[UUID, int] | None = None,
    *,
    until: datetime = DUE,
    late: bool = False,
    room: int = ROOM,
) -> Claim:
    claim_shares = ClaimShares(held=held or {}, room=room)
    now = until + 60 * SECOND if late else until
    command = ClaimRuns(
        dispatcher_id=uuid4(), now=now, until=until, late=late, claim_shares=claim_shares
    )
    return await claim_runs(command, firing.database)


def by_service(claimed: Claim) -> Counter[UUID]:
    return Counter(run.service_id for run in claimed.runs)


async def test_a_flood_leaves_another_its_one_run_in_the_same_claim(firing: Firing):
    for n in range(20):
        await firing.job(at=DUE - n * SECOND / 1_000)
    other = await other_service(firing.shards)
    await other.job()
    claimed = await claim(firing)
    assert by_service(claimed) == {firing.caller.service_id: 7, other.caller.service_id: 1}
    assert claimed.full
    assert by_service(await claim(firing)) == {firing.caller.service_id: 8}


async def test_of_each_service_what_is_due_first_comes_first(firing: Firing):
    other = await other_service(firing.shards)
    for one in (firing, other):
        for n in range(6):
            await one.job(at=DUE - n * SECOND / 10)
    claimed = await claim(firing)
    for one in (firing, other):
        mine = [run.due_at for run in claimed.runs if run.service_id == one.caller.service_id]
        assert mine == [DUE - n * SECOND / 10 for n in (5, 4, 3, 2)]


async def test_late_jobs_take_turns_too_the_newest_first(firing: Firing):
    for n in range(20):
        await firing.job(at=DUE - n * SECOND / 1_000)
    other = await other_service(firing.shards)
    await other.job(at=DUE - SECOND)
    claimed = await claim(firing, late=True)
    assert by_service(claimed) == {firing.caller.service_id: 7, other.caller.service_id: 1}
    newest = max(run.due_at for run in claimed.runs)
    assert newest == DUE


async def test_retries_take_turns_too(firing: Firing):
    other = await other_service(firing.shards)
    runs = [await firing.running_run() for _ in range(10)] + [await other.running_run()]
    await firing.finish(*map(failed, runs))
    due_at = (await firing.run(runs[0].id))["due_at"]
    claimed = await claim(firing, until=due_at)
    assert by_service(claimed) == {firing.caller.service_id: 7, other.caller.service_id: 1}


async def test_who_holds_as_much_as_is_left_gets_no_more(firing: Firing):
    other = await other_service(firing.shards)
    for one in (firing, other):
        for _ in range(3):
            await one.job()
    claimed = await claim(firing, {firing.caller.service_id: 99}, room=100)
    assert by_service(claimed) == {firing.caller.service_id: 1, other.caller.service_id: 3}
    assert not claimed.full
    assert (await claim(firing, {firing.caller.service_id: 99}, room=99)).runs == []


async def test_nothing_is_claimed_beyond_the_room(firing: Firing):
    for _ in range(5):
        await firing.job()
    assert len((await claim(firing, room=2)).runs) == 2
    assert (await claim(firing, room=0)).runs == []


async def test_jobs_that_somebody_else_has_locked_are_passed_by(firing: Firing):
    jobs = [await firing.job() for _ in range(10)]
    async with firing.database.driver() as driver, driver.transaction():
        await driver.fetch("SELECT FROM jobs WHERE id = $1 FOR UPDATE", jobs[0].id)
        claimed = await claim(firing)
    assert len(claimed.runs) == 8
    assert jobs[0].next_fire_at == DUE
    assert (await firing.job_row(jobs[0].id))["next_claim_at"] == DUE


async def test_a_run_whose_target_rests_is_claimed_when_that_is_over(firing: Firing):
    key = await firing.scheduled_run()
    rested = DUE + timedelta(seconds=30)
    await firing.rows("UPDATE runs SET retry_at = $1 WHERE id = $2", rested, key[1])
    for claim_shares in (None, ClaimShares(held={}, room=ROOM)):
        command = ClaimRuns(
            dispatcher_id=uuid4(),
            now=rested - SECOND,
            until=rested + 4 * SECOND,
            claim_shares=claim_shares,
        )
        assert (await claim_runs(command, firing.database)).runs == []
    (run,) = (await firing.claim(rested, now=rested)).runs
    assert run.id == key[1]
    assert run.due_at == DUE
