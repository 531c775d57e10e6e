"""Trouble of the database while attempts are recorded is waited for, and never ends the worker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from commands.firing.finish_attempts import EndedAttempt
from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from storage import shares
from storage.postgres.pools import Database
from tests.commands.firing import DUE, SECOND, Firing, ended, failed, succeeded
from tests.storage.eventually import eventually
from workers.worker.recorder import Recorder

EVERY = {"every": 3 * SECOND, "now": DUE - 2 * SECOND}
WAITING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'No room.' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION refuse();
"""
ALLOW = "DROP FUNCTION refuse() CASCADE"


def gone(run: TakenRun) -> EndedAttempt:
    return msgspec.structs.replace(failed(run), status_code=410, error="The target answered 410.")


@pytest.fixture
async def other(firing: Firing) -> AsyncIterator[Database]:
    """The same database, as an operator sees it."""
    made = Database(firing.database.primary_url)
    yield made
    await made.close()


@asynccontextmanager
async def refusing(database: Database, code: str) -> AsyncIterator[None]:
    """No attempt can be inserted."""
    async with database.driver() as driver:
        await driver.execute(REFUSE.format(code=code))
    try:
        yield
    finally:
        async with database.driver() as driver:
            await driver.execute(ALLOW)


@pytest.mark.promise("full database")
async def test_a_connection_that_breaks_while_a_410_is_recorded(
    firing: Firing, recorder: Recorder, other: Database
):
    run = await firing.running_run(**EVERY)
    async with other.driver() as driver, driver.transaction():
        await driver.fetch("SELECT FROM jobs WHERE id = $1 FOR UPDATE", run.job_id)
        recording = asyncio.create_task(recorder.record(gone(run)))
        async with other.reading() as elsewhere:
            await eventually(lambda: elsewhere.fetchval(WAITING), what="its session is ended")
    async with asyncio.timeout(60):
        await recording
    assert await firing.state(run.id) == "failed"
    assert (await firing.job_row(run.job_id))["paused"]


@pytest.mark.promise("full database")
@pytest.mark.parametrize(
    "trouble", [*itertools.product((succeeded, gone), ("53100", "53200", "53400", "57P03"))]
)
async def test_a_database_without_room(
    firing: Firing,
    recorder: Recorder,
    other: Database,
    capsys: pytest.CaptureFixture[str],
    trouble: tuple[Callable[[TakenRun], EndedAttempt], str],
):
    ends, code = trouble
    run = await firing.running_run(**EVERY)

    async def was_refused() -> bool:
        return "recorder.write_failed" in capsys.readouterr().out

    async with refusing(other, code):
        recording = asyncio.create_task(recorder.record(ends(run)))
        await eventually(was_refused, what="it is tried in vain")
        assert not recording.done()
    async with asyncio.timeout(60):
        await recording
    assert not (await firing.run(run.id))["open"]


async def test_what_the_database_will_never_take_holds_up_nothing_else(
    firing: Firing, recorder: Recorder, other: Database
):
    refused, fine = await firing.running_run(**EVERY), await firing.running_run(**EVERY)

    async def all_recorded(*attempts: EndedAttempt) -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*map(recorder.record, attempts))

    async with refusing(other, "23514"):
        await all_recorded(gone(refused), ended(fine, Outcome.SUCCEEDED))
    assert await firing.state(refused.id) == "running"
    await all_recorded(ended(fine, Outcome.SUCCEEDED), gone(refused))
    assert (await firing.state(fine.id), await firing.state(refused.id)) == ("succeeded", "failed")


async def test_a_service_that_writes_all_that_it_may_while_a_410_is_recorded(
    firing: Firing, recorder: Recorder
):
    """To pause its job takes a part of its share, which its commands have."""
    run = await firing.running_run(**EVERY)
    writes = firing.shard.writes
    writes.wait_seconds = 0.01
    refused = shares.USED_UP.labels("writes")
    before = refused._value.get()
    async with AsyncExitStack() as stack:
        for _ in range(writes.most):
            await stack.enter_async_context(writes.of(firing.caller.service_id))
        recording = asyncio.create_task(recorder.record(gone(run)))
        # More often than what can never be written is tried.
        await eventually(
            lambda: asyncio.sleep(0, refused._value.get() > before + 3), what="it is tried again"
        )
    async with asyncio.timeout(60):
        await recording
    assert await firing.state(run.id) == "failed"
    assert (await firing.job_row(run.job_id))["paused"]
