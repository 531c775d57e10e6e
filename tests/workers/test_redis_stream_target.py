"""A target that is a stream of a Redis."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import msgspec
import pytest
from redis import Redis
from redis.exceptions import RedisError

from app.embedded.ports import free_port
from commands.firing.take_runs import TakenRun
from domain.runs.run import Outcome
from domain.targets import KINDS
from domain.targets.kinds.redis_stream import RedisStreamTarget, read_servers
from storage.crypto.encryption_keys import NO_KEYS
from tests.commands.firing import NOON
from tests.ha.sentinels import valkey_binary
from tests.processes import wait_until
from tests.workers.ringing import waiting_run
from workers.targets.answer import Answer
from workers.targets.kinds.redis_stream import CONNECTIONS, RedisStreamRinger

PASSWORD = "not-to-be-shown"
STREAM = "orders:due"


@pytest.fixture(scope="module")
def port(starts_processes: None) -> Iterator[int]:
    """Where a Valkey of these tests' own listens."""
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
    process = subprocess.Popen([valkey_binary(), *options], stdout=subprocess.DEVNULL)
    with Redis(port=port, password=PASSWORD) as server:
        wait_until(lambda: answers(server), what="Valkey answers")
    yield port
    process.kill()
    process.wait(10)


@pytest.fixture
def valkey(port: int) -> Iterator[Redis]:
    """That Valkey, empty, and as it was afterwards."""
    with Redis(port=port, password=PASSWORD, decode_responses=True) as server:
        server.flushall()
        server.execute_command("ACL SETUSER weak on >" + PASSWORD + " %W~orders:* -@all +xadd")
        yield server
        server.config_set("maxmemory", 0)
        server.replicaof("NO", "ONE")


@pytest.fixture
async def ringer(port: int) -> AsyncIterator[RedisStreamRinger]:
    """Adds to streams of that Valkey, by its own name and as others that may less."""
    made = RedisStreamRinger(
        read_servers(
            [
                f"orders=redis://:{PASSWORD}@127.0.0.1:{port}#orders:*",
                f"gone=redis://:{PASSWORD}@127.0.0.1:{free_port()}#*",
                f"strange=redis://:x{PASSWORD}@127.0.0.1:{port}#*",
                f"weak=redis://weak:{PASSWORD}@127.0.0.1:{port}#*",
            ]
        ),
        NO_KEYS,
    )
    yield made
    await made.close()


def answers(server: Redis) -> bool:
    try:
        return bool(server.ping())
    except RedisError:
        return False


def run_of(body: str | None = None, **fields: Any) -> TakenRun:
    sent = msgspec.UNSET if body is None else msgspec.Raw(body.encode())
    target = {"server": "orders", "stream": STREAM, "body": sent, **fields}
    return msgspec.structs.replace(waiting_run(0), target=RedisStreamTarget(**target))


@pytest.mark.parametrize(("body", "added"), [('{"a": [1, "ü"]}', '{"a": [1, "ü"]}'), (None, "{}")])
async def test_an_entry_tells_the_run_and_its_body(
    ringer: RedisStreamRinger, valkey: Redis, body: str | None, added: str
):
    run = run_of(body)
    answer = await ringer.ring(run, NOON)
    ((entry_id, fields),) = valkey.xrange(STREAM)
    assert answer == Answer(outcome=Outcome.SUCCEEDED, response_excerpt=entry_id)
    assert fields == {
        "run_id": str(run.id),
        "job_id": str(run.job_id),
        "job_name": "a job",
        "attempt": "1",
        "scheduled_for": f"{NOON:%Y-%m-%dT%H:%M:%S}.000000Z",
        "timestamp": str(int(NOON.timestamp())),
        "signature": "",
        "traceparent": f"00-{run.id.hex}-0000000000000001-01",
        "body": added,
    }


async def test_a_stream_keeps_about_as_many_entries_as_it_is_to(
    ringer: RedisStreamRinger, valkey: Redis
):
    for _ in range(5):
        await asyncio.gather(*(ringer.ring(run_of(max_length=50), NOON) for _ in range(100)))
    assert 50 <= valkey.xlen(STREAM) < 250


async def test_many_attempts_at_once_share_a_few_connections(
    ringer: RedisStreamRinger, valkey: Redis
):
    ended = await asyncio.gather(*(ringer.ring(run_of(), NOON) for _ in range(300)))
    assert {one.outcome for one in ended} == {Outcome.SUCCEEDED}
    assert valkey.xlen(STREAM) == 300
    assert len(valkey.client_list()) <= CONNECTIONS + 1


async def test_a_user_that_may_do_nothing_but_add_is_enough(
    ringer: RedisStreamRinger, valkey: Redis
):
    answer = await ringer.ring(run_of(server="weak"), NOON)
    assert answer.outcome is Outcome.SUCCEEDED
    assert valkey.xlen(STREAM) == 1


async def wrong_type(valkey: Redis) -> None:
    valkey.set(STREAM, "no stream")


async def out_of_memory(valkey: Redis) -> None:
    valkey.config_set("maxmemory", 1)


async def replica(valkey: Redis) -> None:
    valkey.replicaof("127.0.0.1", free_port())


@pytest.mark.parametrize(
    ("trouble", "code", "at_fault"),
    [(wrong_type, "WRONGTYPE", False), (out_of_memory, "OOM", True), (replica, "READONLY", True)],
)
async def test_what_the_server_refuses_fails_the_attempt(
    ringer: RedisStreamRinger, valkey: Redis, trouble: Any, code: str, at_fault: bool
):
    await trouble(valkey)
    answer = await ringer.ring(run_of(), NOON)
    error = f"The Redis 'orders' refused the entry: {code}."
    assert answer == Answer(outcome=Outcome.FAILED, error=error, at_fault=at_fault)


@pytest.mark.parametrize(
    ("server", "said", "at_fault"),
    [
        ("gone", "could not be reached: ConnectionError", True),
        ("strange", "refused the entry: WRONGPASS", True),
        ("weak", "refused the entry: NOPERM", False),
    ],
)
async def test_a_server_that_cannot_be_used_is_told_by_its_name_alone(
    ringer: RedisStreamRinger, valkey: Redis, server: str, said: str, at_fault: bool
):
    answer = await ringer.ring(run_of(server=server, stream="private"), NOON)
    error = f"The Redis {server!r} {said}."
    assert answer == Answer(outcome=Outcome.FAILED, error=error, at_fault=at_fault)


async def test_a_server_that_does_not_answer_is_not_waited_for_and_used_again_later(
    ringer: RedisStreamRinger, valkey: Redis
):
    await ringer.ring(run_of(), NOON)
    valkey.client_pause(10_000)
    answer = await ringer.ring(run_of(timeout=timedelta(seconds=1)), NOON)
    assert answer == Answer(outcome=Outcome.TIMED_OUT, error="No answer within 1 s.")
    valkey.client_unpause()
    answer = await ringer.ring(run_of(), NOON)
    assert answer.response_excerpt == valkey.xrevrange(STREAM, count=1)[0][0]


@pytest.mark.parametrize("target", [{"stream": "private"}, {"server": "unknown"}])
async def test_what_the_operator_does_not_allow_any_more_is_not_rung(
    ringer: RedisStreamRinger, valkey: Redis, target: dict[str, str]
):
    answer = await ringer.ring(run_of(**target), NOON)
    assert (answer.outcome, answer.at_fault) == (Outcome.FAILED, False)
    assert "allowed are" in (answer.error or "")
    assert valkey.keys() == []


def test_every_kind_of_target_can_be_rung():
    for name in KINDS:
        assert callable(import_module(f"workers.targets.kinds.{name}").ringer)
