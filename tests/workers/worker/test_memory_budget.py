"""What a worker process has in hand is bounded in bytes, and services share it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
import pytest

from commands.firing.take_runs import ByteBudget, TakenRun, TakeRuns, take_runs
from commands.keys.bootstrap_key import BootstrapKey, bootstrap_key
from domain.access.caller import Caller
from domain.access.keys import service_of
from domain.ids import run_id
from domain.policies.overlap import Overlap
from domain.quotas.limits import LARGEST_PAYLOAD
from domain.targets.kinds.http import HttpTarget
from domain.targets.tls import MAX_CA_CHARACTERS, Tls
from storage.jobs.rows import encode
from storage.queue.broker import RunKey
from tests.commands.firing import DUE, NOON, TARGET, WORKER, Firing
from tests.storage.eventually import eventually
from tests.workers.ringing import Bell, due_in, state_of, waiting_run
from workers.worker.backpressure import LARGEST_BYTES, SHARE, MemoryBudget
from workers.worker.config import WorkerConfig
from workers.worker.recorder import Recorder
from workers.worker.ringer import Ringer

BUDGET = 4 * LARGEST_BYTES
BODY = b'"' + b"x" * (LARGEST_PAYLOAD - 2) + b'"'
LARGE = HttpTarget(url=TARGET.url, body=msgspec.Raw(BODY))
MANY = 12


def key(service: int) -> RunKey:
    return UUID(int=service), UUID(int=1)


def sized(service: int, size: int) -> TakenRun:
    return msgspec.structs.replace(waiting_run(0, service=service), bytes=size)


@pytest.fixture
def in_hand() -> MemoryBudget:
    return MemoryBudget(BUDGET)


@pytest.fixture
async def ringer(firing: Firing, bell: Bell, recorder: Recorder) -> AsyncIterator[Ringer]:
    config = WorkerConfig(memory_bytes=BUDGET)
    made = Ringer(firing.shard, WORKER, bell.ring, recorder, config=config)
    working = asyncio.create_task(made.run())
    yield made
    bell.silence()
    working.cancel()
    await asyncio.wait([working])


@pytest.fixture
async def other_service(firing: Firing) -> Firing:
    made = await bootstrap_key(BootstrapKey(service_name="neighbour", now=NOON), firing.shards)
    service_id = service_of(made)
    assert service_id is not None
    caller = Caller(service_id=service_id, principal="key:other", request_id="test")
    return Firing(firing.shards, caller)


async def take(
    firing: Firing, runs: list[RunKey], **rooms: object
) -> tuple[list[UUID], list[UUID]]:
    """What was taken, and what was left."""
    command = TakeRuns(
        worker_id=WORKER, runs=runs, now=NOON, until=DUE, rooms=msgspec.convert(rooms, ByteBudget)
    )
    taken = await take_runs(command, firing.database)
    return [run.id for run in taken.runs], [run for _, run in taken.left]


async def runs_of_bodies(firing: Firing, *lengths: int) -> list[RunKey]:
    """Claimed runs with such bodies."""
    keys = []
    for length in lengths:
        target = HttpTarget(url=TARGET.url, body=msgspec.Raw(b'"' + b"x" * length + b'"'))
        made = await firing.job(target=target)
        keys.append((firing.caller.service_id, run_id(made.id, DUE)))
    await firing.claim()
    return keys


def test_no_target_is_larger_than_is_reckoned_with() -> None:
    headers = {f"{n:0>128}": '"' * 4_096 for n in range(50)}
    target = HttpTarget(
        url="https://h/" + "u" * 2_038,
        headers=headers,
        body=msgspec.Raw(BODY),
        timeout=timedelta(minutes=30),
        tls=Tls(ca="\n" * MAX_CA_CHARACTERS),
    )
    assert len(encode(target)) < LARGEST_BYTES


def test_a_service_with_nothing_in_hand_has_room_for_any_target(in_hand: MemoryBudget) -> None:
    in_hand.keep(sized(1, BUDGET - 2 * LARGEST_BYTES))
    assert in_hand.has_room
    rooms = in_hand.reserve([key(2), key(1)])
    assert rooms.bytes == LARGEST_BYTES
    assert rooms.of_service == {UUID(int=2): LARGEST_BYTES, UUID(int=1): LARGEST_BYTES}
    in_hand.keep(sized(3, 1))
    assert not in_hand.has_room


def test_a_service_leaves_room_for_others(in_hand: MemoryBudget) -> None:
    in_hand.keep(sized(1, BUDGET * SHARE // (SHARE + 1)))
    rooms = in_hand.reserve([key(1)])
    assert rooms.of_service == {UUID(int=1): 0}


def test_takes_at_once_have_no_room_twice(in_hand: MemoryBudget) -> None:
    rooms = [in_hand.reserve([key(service)]) for service in range(4)]
    assert sum(one.bytes for one in rooms) < BUDGET
    for one in rooms:
        in_hand.unreserve(one)
    assert in_hand.in_hand == 0


def test_what_was_kept_and_dropped_leaves_nothing(in_hand: MemoryBudget) -> None:
    runs = [sized(service % 3, 1_000 * service) for service in range(9)]
    for run in runs:
        in_hand.keep(run)
    assert in_hand.in_hand == sum(run.bytes for run in runs)
    for run in runs:
        in_hand.drop(run)
    assert (in_hand.in_hand, in_hand.released) == (0, sum(run.bytes for run in runs))


async def test_what_has_no_room_stays_and_the_smallest_come_first(firing: Firing):
    large, small, medium = await runs_of_bodies(firing, 50_000, 10, 20_000)
    keys = [large, small, medium]
    assert await take(firing, keys, bytes=21_000) == ([small[1], medium[1]], [large[1]])
    assert await state_of(firing, large) == "scheduled"
    assert await take(firing, [large], bytes=51_000) == ([large[1]], [])


async def test_of_all_services_the_first_come_before_the_second(
    firing: Firing, other_service: Firing
):
    flood = await runs_of_bodies(firing, *[20_000] * 5)
    (neighbours,) = await runs_of_bodies(other_service, 30_000)
    taken, left = await take(firing, [*flood, neighbours], bytes=51_000)
    assert neighbours[1] in taken
    assert (len(taken), len(left)) == (2, 4)


async def test_a_service_has_no_more_than_its_own_room(firing: Firing, other_service: Firing):
    flood = await runs_of_bodies(firing, *[20_000] * 3)
    others = await runs_of_bodies(other_service, *[20_000] * 3)
    of_service = {firing.caller.service_id: 21_000}
    taken, left = await take(firing, [*flood, *others], bytes=200_000, of_service=of_service)
    assert {run for _, run in others} < set(taken)
    assert (len(taken), len(left)) == (4, 2)


async def test_runs_of_deleted_jobs_need_no_room(firing: Firing):
    keys = await runs_of_bodies(firing, 20_000)
    await firing.rows("DELETE FROM jobs WHERE service_id = $1", firing.caller.service_id)
    assert await take(firing, keys, bytes=0) == ([], [])
    assert await state_of(firing, keys[0]) == "cancelled"


async def test_a_flood_of_large_bodies_keeps_to_its_share_and_rings_bit_by_bit(
    firing: Firing, other_service: Firing, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    flood = [
        (await due_in(firing, -1, target=LARGE, overlap=Overlap.ALLOW_ALL))[1] for _ in range(MANY)
    ]
    taking = asyncio.create_task(ringer.intake.take(flood))
    await bell.rings(1)
    share = BUDGET * SHARE // (SHARE + 1) // len(BODY)
    await eventually(partial(_has_rung, bell, share // 2))
    assert len(bell.rung) <= share
    assert not taking.done()
    _, neighbours = await due_in(other_service, -1, target=LARGE, overlap=Overlap.ALLOW_ALL)
    assert await ringer.intake.take([neighbours]) == []
    await eventually(partial(_is_rung, bell, neighbours))
    assert ringer.owned.memory.in_hand <= BUDGET
    bell.silence()
    await bell.rings(MANY + 1)
    assert await taking == []
    await eventually(partial(_is_empty, ringer.owned.memory))


async def test_where_too_many_wait_for_room_the_rest_is_handed_over_again(
    firing: Firing, ringer: Ringer, bell: Bell
):
    bell.keep_ringing()
    flood = [
        (await due_in(firing, -1, target=LARGE, overlap=Overlap.ALLOW_ALL))[1] for _ in range(MANY)
    ]
    taking = [asyncio.create_task(ringer.intake.take([one])) for one in flood]
    await eventually(partial(_any_is_done_with_rest, taking))
    bell.silence()
    left = [one for rest in await asyncio.gather(*taking) for one in rest]
    while left:
        left = await ringer.intake.take(left)
    await bell.rings(MANY)
    await eventually(partial(_is_empty, ringer.owned.memory))
    assert {run.id for run, _ in bell.rung} == {run for _, run in flood}


async def test_a_run_that_is_taken_again_or_given_back_is_counted_once(
    firing: Firing, ringer: Ringer
):
    _, one = await due_in(firing, 4, target=LARGE)
    await ringer.intake.take([one])
    counted = ringer.owned.memory.in_hand
    assert len(BODY) < counted < len(BODY) + 1_000
    await ringer.intake.take([one])
    assert ringer.owned.memory.in_hand == counted
    assert await ringer.intake.give_back() == [one]
    assert ringer.owned.memory.in_hand == 0


async def test_a_text_with_one_wide_character_takes_no_more_than_its_bytes(firing: Firing):
    body = '"' + "x" * 100_000 + '\U0001f514"'
    target = HttpTarget(url=TARGET.url, body=msgspec.Raw(body.encode()))
    made = await firing.job(target=target)
    await firing.claim()
    (taken,) = await firing.take((firing.caller.service_id, run_id(made.id, DUE)))
    assert len(body.encode()) < taken.bytes < len(body.encode()) + 500
    assert isinstance(taken.target, HttpTarget)
    assert bytes(taken.target.body) == body.encode()  # type: ignore[arg-type]


async def _has_rung(bell: Bell, times: int) -> bool:
    return len(bell.rung) >= times


async def _is_rung(bell: Bell, run: RunKey) -> bool:
    return run[1] in {rung.id for rung, _ in bell.rung}


async def _is_empty(in_hand: MemoryBudget) -> bool:
    return in_hand.in_hand == 0


async def _any_is_done_with_rest(taking: list[asyncio.Task[list[RunKey]]]) -> bool:
    return any(task.done() and task.result() for task in taking)
