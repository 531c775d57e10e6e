"""A claim to an idempotency key holds with the command's transaction, or not at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from commands.create_job import CreateJob, create_job
from commands.trigger_job import TriggerJob, trigger_job
from domain.errors import KeyInProgress, KeyReused
from domain.idempotency import KEPT, Answer, Answered, Claim
from domain.retry import RetryPolicy
from domain.schedules.schedule import Schedule
from domain.targets.http import HttpTarget
from storage.idempotency import holding
from storage.postgres import Database
from tests.commands.firing import Firing

NOW = datetime(2031, 5, 10, 15, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
KEYS = "SELECT key, status, claimed_at FROM idempotency_keys ORDER BY key"


def answer_of(result: object) -> Answer:
    return Answer(status=202, headers={"Location": "/x"}, body=repr(result).encode())


def claim_of(key: str = "a", *, at: datetime = NOW, fingerprint: bytes = b"f") -> Claim:
    return Claim(route="POST /x", key=key, fingerprint=fingerprint, at=at, answer_of=answer_of)


async def do(firing: Firing, claim: Claim, result: object = "done") -> None:
    """A command that settles its claim."""
    service_id = firing.caller.service_id
    async with firing.shard.writing_driver(service_id, (), claim):
        claim.settle(result)


async def test_a_command_that_fails_leaves_no_key(firing: Firing):
    for write in (firing.shard.writing, firing.shard.writing_driver):
        with pytest.raises(LookupError):
            async with write(firing.caller.service_id, (), claim_of()):
                raise LookupError
    assert await firing.rows(KEYS) == []
    await do(firing, claim_of())


async def test_an_answer_that_cannot_be_kept_undoes_the_command(firing: Firing):
    """The answer's bytes are made before the commit, and so may fail."""

    def fail(_: object) -> Answer:
        raise LookupError

    job = await firing.job()
    claim = Claim(route="POST /x", key="a", fingerprint=b"f", at=NOW, answer_of=fail)
    caller = msgspec.structs.replace(firing.caller, claim=claim)
    with pytest.raises(LookupError):
        await trigger_job(TriggerJob(caller=caller, job_id=job.id, now=NOW), firing.shards)
    create = CreateJob(
        caller=caller,
        name="x",
        description="",
        tags=[],
        schedule=Schedule(accepted_at=NOW, cron="0 0 1 1 *"),
        target=HttpTarget(url="http://127.0.0.1:9/"),
        retry=RetryPolicy(),
        now=NOW,
    )
    with pytest.raises(LookupError):
        await create_job(create, firing.shards)
    assert await firing.rows("SELECT FROM runs") == []
    assert [row["id"] for row in await firing.rows("SELECT id FROM jobs")] == [job.id]
    assert await firing.rows(KEYS) == []


async def test_a_command_that_forgets_to_settle_is_undone(firing: Firing):
    with pytest.raises(RuntimeError, match="does not settle"):
        async with firing.shard.writing_driver(firing.caller.service_id, (), claim_of()):
            pass
    assert await firing.rows(KEYS) == []


async def test_what_is_asked_again_is_answered_to_the_byte(firing: Firing):
    await do(firing, claim_of(), result="first")
    with pytest.raises(Answered) as known:
        await do(firing, claim_of(), result="second")
    assert known.value.answer == answer_of("first")
    with pytest.raises(KeyReused):
        await do(firing, claim_of(fingerprint=b"g"))


async def test_of_claims_at_once_one_holds_and_the_others_learn_its_answer(firing: Firing):
    ended = await asyncio.gather(
        *(do(firing, claim_of(), number) for number in range(20)), return_exceptions=True
    )
    assert ended.count(None) == 1
    winner = answer_of(ended.index(None))
    for error in ended:
        if error is not None:
            assert isinstance(error, KeyInProgress) or error.answer == winner


async def test_who_waits_for_a_key_gives_up_and_who_comes_after_a_failure_goes_on(firing: Firing):
    claimed, failing = asyncio.Event(), asyncio.Event()

    async def fail_when_told() -> None:
        async with firing.shard.writing(firing.caller.service_id, (), claim_of()):
            claimed.set()
            await failing.wait()
            raise LookupError

    first = asyncio.create_task(fail_when_told())
    await claimed.wait()
    with pytest.raises(KeyInProgress):
        await asyncio.wait_for(do(firing, claim_of()), timeout=10)
    failing.set()
    with pytest.raises(LookupError):
        await first
    await do(firing, claim_of())


async def test_a_refusal_is_kept_only_if_nobody_else_was_answered_meanwhile(firing: Firing):
    refused = claim_of()
    refused.answer = Answer(status=404, headers={}, body=b"refused")
    await do(firing, claim_of())
    with pytest.raises(Answered) as known:
        await firing.shard.keep_answer(firing.caller.service_id, refused)
    assert known.value.answer == answer_of("done")


async def test_a_command_waits_for_its_job_longer_than_for_its_key(firing: Firing):
    for write in (firing.shard.writing, firing.shard.writing_driver):
        claim = claim_of(write.__name__)
        async with write(firing.caller.service_id, (), claim):
            claim.settle(None)
        async with firing.shard.database.driver() as driver:
            assert await driver.fetchval("SHOW lock_timeout") == "0"
    claim = claim_of()
    async with firing.shard.writing_driver(firing.caller.service_id, (), claim) as driver:
        assert await driver.fetchval("SHOW lock_timeout") == "0"
        claim.settle(None)


async def test_a_command_with_a_key_waits_for_its_job_no_longer_than_others(firing: Firing):
    bounded = Database(firing.database.primary_url, lock_seconds=2)
    async with bounded.driver() as driver, driver.transaction():
        claim = claim_of()
        async with holding(driver, firing.caller.service_id, claim):
            assert await driver.fetchval("SHOW lock_timeout") == "2s"
            claim.settle(None)
    await bounded.close()


@pytest.mark.promise("idempotency", "idempotency: answers")
async def test_a_key_is_free_again_after_24_hours(firing: Firing):
    await do(firing, claim_of(), result="first")
    with pytest.raises(Answered):
        await do(firing, claim_of(at=NOW + KEPT - MOMENT))
    await do(firing, claim_of(at=NOW + KEPT, fingerprint=b"g"), result="second")
    with pytest.raises(Answered) as known:
        await do(firing, claim_of(at=NOW + KEPT, fingerprint=b"g"))
    assert known.value.answer == answer_of("second")


async def test_what_is_over_is_let_go_by_those_who_come_later(firing: Firing):
    for number in range(5):
        await do(firing, claim_of(f"old-{number}"))
    await do(firing, claim_of("young", at=NOW + KEPT - MOMENT))
    assert len(await firing.rows(KEYS)) == 6
    for number in range(3):
        await do(firing, claim_of(f"new-{number}", at=NOW + KEPT))
    kept = {row["key"] for row in await firing.rows(KEYS)}
    assert kept == {"young", "new-0", "new-1", "new-2"}
