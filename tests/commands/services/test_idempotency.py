"""A claim to an idempotency key holds with the command's transaction, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from commands.jobs.create_job import CreateJob, create_job
from commands.jobs.trigger_job import TriggerJob, trigger_job
from commands.unit_of_work import Command, Executor, UnitOfWork
from domain.access.idempotency import KEPT, Answer, Answered, Claim
from domain.errors import KeyInProgress, KeyReused, NotFound
from domain.policies.retry import RetryPolicy
from domain.schedules.schedule import Schedule
from domain.targets.kinds.http import HttpTarget
from storage.postgres.pools import Database
from storage.services.idempotency import claim_key
from tests.commands.firing import Firing

NOW = datetime(2031, 5, 10, 15, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
KEYS = "SELECT key, status, claimed_at FROM idempotency_keys ORDER BY key"

Handle = Callable[[Command, UnitOfWork], Awaitable[object]]


def answer_of(result: object) -> Answer:
    return Answer(status=202, headers={"Location": "/x"}, body=repr(result).encode())


def refusal_of(refusal: Exception) -> Answer:
    return Answer(status=404, headers={}, body=str(refusal).encode())


def claim_of(key: str = "a", *, at: datetime = NOW, fingerprint: bytes = b"f") -> Claim:
    return Claim(
        route="POST /x",
        key=key,
        fingerprint=fingerprint,
        size=0,
        at=at,
        answer_of=answer_of,
        refusal_of=refusal_of,
    )


async def do(firing: Firing, claim: Claim, result: object = "done") -> Answer:
    """A command that writes nothing of its own."""

    async def handle(command: Command, uow: UnitOfWork) -> object:
        return result

    return await execute(firing, claim, handle)


async def execute(firing: Firing, claim: Claim, handle: Handle) -> Answer:
    command = Command(caller=firing.caller, now=NOW)
    return await Executor(handle).once(command, firing.shards, claim)


@pytest.mark.parametrize("begins", [True, False])
async def test_a_command_that_fails_leaves_no_key(firing: Firing, begins):
    async def fail(command: Command, uow: UnitOfWork) -> object:
        if begins:
            await uow.begin()
        raise LookupError

    with pytest.raises(LookupError):
        await execute(firing, claim_of(), fail)
    assert await firing.rows(KEYS) == []
    await do(firing, claim_of())


async def test_an_answer_that_cannot_be_kept_undoes_the_command(firing: Firing):
    """The answer's bytes are made before the commit, and so may fail."""

    def fail(_: object) -> Answer:
        raise LookupError

    job = await firing.job()
    claim = msgspec.structs.replace(claim_of(), answer_of=fail)
    trigger = TriggerJob(caller=firing.caller, job_id=job.id, now=NOW)
    with pytest.raises(LookupError):
        await trigger_job.once(trigger, firing.shards, claim)
    create = CreateJob(
        caller=firing.caller,
        name="x",
        description="",
        tags=[],
        schedule=Schedule(accepted_at=NOW, cron="0 0 1 1 *"),
        target=HttpTarget(url="http://127.0.0.1:9/"),
        retry=RetryPolicy(),
        now=NOW,
    )
    with pytest.raises(LookupError):
        await create_job.once(create, firing.shards, claim)
    assert await firing.rows("SELECT FROM runs") == []
    assert [row["id"] for row in await firing.rows("SELECT id FROM jobs")] == [job.id]
    assert await firing.rows(KEYS) == []


async def test_what_follows_the_commit_follows_it_and_only_it(firing: Firing):
    """In the order in which it was said; and no command says anything twice."""
    followed: list[object] = []

    async def step(name: str) -> None:
        followed.append((name, len(await firing.rows(KEYS))))

    async def write(command: Command, uow: UnitOfWork) -> object:
        uow.afterwards(lambda: step("first"))
        uow.afterwards(lambda: step("second"))
        return "done"

    async def refuse(command: Command, uow: UnitOfWork) -> object:
        uow.afterwards(lambda: step("never"))
        raise NotFound("no")

    await execute(firing, claim_of(), write)
    await execute(firing, claim_of("b"), refuse)
    with pytest.raises(Answered):
        await execute(firing, claim_of(), write)
    assert followed == [("first", 1), ("second", 1)]


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
    (winner,) = (one for one in ended if isinstance(one, Answer))
    for error in ended:
        if error is not winner:
            assert isinstance(error, KeyInProgress) or error.answer == winner


async def test_who_waits_for_a_key_gives_up_and_who_comes_after_a_failure_goes_on(firing: Firing):
    claimed, failing = asyncio.Event(), asyncio.Event()

    async def fail_when_told(command: Command, uow: UnitOfWork) -> object:
        await uow.begin()
        claimed.set()
        await failing.wait()
        raise LookupError

    first = asyncio.create_task(execute(firing, claim_of(), fail_when_told))
    await claimed.wait()
    with pytest.raises(KeyInProgress):
        await asyncio.wait_for(do(firing, claim_of()), timeout=10)
    failing.set()
    with pytest.raises(LookupError):
        await first
    await do(firing, claim_of())


async def test_a_refusal_is_kept_only_if_nobody_else_was_answered_meanwhile(firing: Firing):
    async def refuse(command: Command, uow: UnitOfWork) -> object:
        await do(firing, claim_of())
        raise NotFound("refused")

    with pytest.raises(Answered) as known:
        await execute(firing, claim_of(), refuse)
    assert known.value.answer == answer_of("done")


async def test_a_refusal_is_kept_and_its_transaction_is_not(firing: Firing):
    async def refuse(command: Command, uow: UnitOfWork) -> object:
        await uow.audit("nothing.done", firing.caller.service_id)
        raise NotFound("refused")

    refused = Answer(status=404, headers={}, body=b"refused")
    assert await execute(firing, claim_of(), refuse) == refused
    with pytest.raises(Answered) as known:
        await do(firing, claim_of())
    assert known.value.answer == refused
    assert await firing.rows("SELECT FROM audit WHERE action = 'nothing.done'") == []


async def test_a_command_waits_for_its_job_longer_than_for_its_key(firing: Firing):
    seen = []

    async def look(command: Command, uow: UnitOfWork) -> object:
        driver = await uow.begin()
        seen.append(await driver.fetchval("SHOW lock_timeout"))
        return "done"

    await execute(firing, claim_of(), look)
    async with firing.shard.database.driver() as driver:
        seen.append(await driver.fetchval("SHOW lock_timeout"))
    assert seen == ["0", "0"]


async def test_a_command_with_a_key_waits_for_its_job_no_longer_than_others(firing: Firing):
    bounded = Database(firing.database.primary_url, lock_seconds=2)
    async with bounded.transaction() as driver:
        await claim_key(driver, firing.caller.service_id, claim_of())
        assert await driver.fetchval("SHOW lock_timeout") == "2s"
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
