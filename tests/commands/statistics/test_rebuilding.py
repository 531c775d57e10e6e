"""Statistics that are rebuilt are those that were folded; meanwhile nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from commands.runs.cancel_runs import CancelRuns, cancel_runs
from commands.statistics import rebuild_statistics as rebuilding
from commands.statistics.rebuild_statistics import RebuildStats, rebuild_stats, services_to_rebuild
from domain.access.caller import Caller
from domain.access.keys import service_of
from domain.errors import NotFound
from domain.filters.run_filter import RunFilter
from domain.runs.run import Outcome
from storage.postgres.pools import Database
from storage.shards import Shards
from storage.urls import ShardUrls
from tests.commands.ended_runs import (
    Ending,
    agree,
    end,
    fold,
    job_counts,
    kept,
    recounted,
    ring,
    service_counts,
    waiting,
)
from tests.commands.firing import DUE, NOON, SECOND, Firing

EXAMPLES = 25
MICROSECOND = timedelta(microseconds=1)
JOBS = [uuid4() for _ in range(3)]

ENDINGS = st.builds(
    Ending,
    job_id=st.sampled_from(JOBS),
    due_at=st.integers(0, 5 * 86_400_000_000).map(lambda us: NOON + us * MICROSECOND),
    lateness=st.integers(0, 60_000_000).map(lambda us: us * MICROSECOND),
    overlap_wait_ms=st.one_of(st.none(), st.floats(0, 60_000)),
    duration=st.integers(0, 7_200_000_000).map(lambda us: us * MICROSECOND),
    outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED]),
)
BATCHES = st.lists(ENDINGS, min_size=1, max_size=12, unique_by=lambda one: one.due_at)
# Batches that end, runs that are cancelled while they ring, folds, and rebuilds.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), BATCHES),
        st.tuples(st.just("cancel"), BATCHES),
        st.just(("fold", [])),
        st.just(("rebuild", [])),
    ),
    min_size=1,
    max_size=8,
)


async def rebuild(firing: Firing, service_id: UUID | None = None, *, at_once: int = 1_000) -> None:
    command = RebuildStats(
        service_id=service_id or firing.caller.service_id, now=DUE, at_once=at_once
    )
    await rebuild_stats(command, firing.database)


async def take(firing: Firing, step: str, endings: list[Ending]) -> None:
    if step == "end":
        await end(firing.shard, firing.caller, endings)
    elif step == "cancel":
        await ring(firing.database, firing.caller, endings)
        command = CancelRuns(caller=firing.caller, chosen=RunFilter(), now=NOON + 30 * SECOND)
        await cancel_runs(command, firing.shards)
    elif step == "fold":
        await fold(firing)
    else:
        await rebuild(firing)


async def new_caller(shards: Shards) -> Caller:
    service_id = service_of(
        await bootstrap_key(BootstrapKey(service_name=f"test-{uuid4()}", now=NOON), shards)
    )
    assert service_id is not None
    return Caller(service_id=service_id, principal="key:test", request_id="test")


def test_whatever_happened_folds_and_rebuilds_say_what_a_recount_says(commands_urls: ShardUrls):
    with asyncio.Runner() as runner:

        async def connect() -> Shards:
            return Shards(commands_urls)

        shards = runner.run(connect())

        async def forget_all(firing: Firing) -> None:
            for table in ("runs", "attempts", "run_events", "job_stats", "service_stats", "audit"):
                await firing.rows(f"DELETE FROM {table}")

        async def try_out(steps: list[tuple[str, list[Ending]]]) -> None:
            firing = Firing(shards, await new_caller(shards))
            for step, endings in steps:
                await take(firing, step, endings)
            await fold(firing)
            folded = await kept(firing)
            agree(folded, await recounted(firing))
            await rebuild(firing)
            assert await kept(firing) == folded
            await forget_all(firing)

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            phases=[Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(STEPS)
        def tried(steps: list[tuple[str, list[Ending]]]) -> None:
            runner.run(try_out(steps))

        try:
            tried()
        finally:
            runner.run(shards.close())


async def test_rebuilding_mends_what_is_wrong_and_leaves_other_services_alone(
    firing: Firing, shards: Shards
):
    stranger = Firing(shards, await new_caller(shards))
    for one in (firing, stranger):
        await end(one.shard, one.caller, [Ending(job_id=JOBS[0], due_at=DUE)])
    await fold(firing)
    before = await kept(firing)
    await firing.rows("UPDATE job_stats SET succeeded = 7, duration = ''")
    await firing.rows("DELETE FROM service_stats")
    await rebuild(firing)
    assert await service_counts(firing) == {"succeeded": 1}
    assert await service_counts(stranger) == {}
    assert await service_counts(firing) == {"succeeded": 1}
    await rebuild(stranger)
    assert await kept(firing) == before


async def test_rebuilding_takes_runs_in_portions(firing: Firing):
    endings = [
        Ending(job_id=job_id, due_at=DUE + number * SECOND)
        for job_id in JOBS
        for number in range(3)
    ]
    await end(firing.shard, firing.caller, endings)
    await rebuild(firing, at_once=3)
    agree(await kept(firing), await recounted(firing))


async def test_while_runs_end_and_folds_go_on_rebuilding_loses_and_doubles_none(
    firing: Firing, other_database: Database
):
    async def go_on() -> None:
        for number in range(40):
            ending = Ending(job_id=JOBS[number % 3], due_at=DUE + number * SECOND)
            await end(firing.shard, firing.caller, [ending])
            await fold(firing)

    async def rebuild_often() -> None:
        command = RebuildStats(service_id=firing.caller.service_id, now=DUE)
        for _ in range(15):
            await rebuild_stats(command, other_database)

    await asyncio.gather(go_on(), rebuild_often(), rebuild_often())
    await fold(firing)
    assert await waiting(firing) == []
    assert await service_counts(firing) == {"succeeded": 40}
    agree(await kept(firing), await recounted(firing))


async def test_a_rebuild_that_dies_leaves_all_as_it_was(
    firing: Firing, monkeypatch: pytest.MonkeyPatch
):
    await end(firing.shard, firing.caller, [Ending(job_id=JOBS[0], due_at=DUE)])
    await fold(firing)
    before = await kept(firing)

    async def die(*_: object) -> None:
        raise RuntimeError("died")

    monkeypatch.setattr(rebuilding, "count_runs", die)
    with pytest.raises(RuntimeError):
        await rebuild(firing)
    monkeypatch.undo()
    assert await kept(firing) == before
    await end(firing.shard, firing.caller, [Ending(job_id=JOBS[0], due_at=DUE + SECOND)])
    assert await fold(firing) == 1


async def test_what_no_run_tells_of_any_more_is_left_as_it_was(firing: Firing):
    job = await firing.job()
    long_ago = DUE - timedelta(days=40)
    await end(firing.shard, firing.caller, [Ending(job_id=job.id, due_at=long_ago)])
    await fold(firing)
    await firing.rows("DELETE FROM runs")
    await rebuild(firing)
    assert await job_counts(firing, job.id) == {"succeeded": 1}


async def test_every_service_is_to_be_rebuilt_and_none_that_is_not_there(firing: Firing):
    assert firing.caller.service_id in await services_to_rebuild(firing.database)
    with pytest.raises(NotFound):
        await rebuild(firing, uuid4())
