"""Kept connections: which ones are used again, and where an answer ends."""

from __future__ import annotations

import asyncio

import pytest

from domain.run import Outcome
from tests.workers.http_server import OK, Answer, raw_target, sends
from tests.workers.test_transport import ring, ringing

NO_LENGTH = b"HTTP/1.1 200 OK\r\n\r\nok"


def hangs_up_after(content: bytes) -> Answer:
    """Answers, and then closes the connection without a word."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    return answer


def hangs_up_before_the_second(content: bytes) -> Answer:
    """Answers the first request of all, lets the second one come, and closes the connection."""
    asked = 0

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            writer.close()
        else:
            await sends(content)(writer)

    return answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_connection_is_used_again(method: str) -> None:
    content = OK.partition(b"ok")[0] if method == "HEAD" else OK
    async with raw_target(content) as target, ringing() as ringer:
        url = f"http://127.0.0.1:{target.port}/"
        answers = [await ring(ringer, url, method=method) for _ in range(3)]
    assert [answer.outcome for answer in answers] == [Outcome.SUCCEEDED] * 3
    assert (len(target.heads), target.connections) == (3, 1)


async def test_targets_do_not_share_connections() -> None:
    async with raw_target(OK) as one, raw_target(OK) as other, ringing() as ringer:
        for target in (one, other, one, other):
            await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (one.connections, other.connections) == (1, 1)


async def test_rings_at_the_same_time_have_a_connection_each_within_the_bound() -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        await sends(OK)(writer)

    async with raw_target(slowly) as target, ringing() as ringer:
        url = f"http://127.0.0.1:{target.port}/"
        answers = await asyncio.gather(*(ring(ringer, url) for _ in range(50)))
    assert {answer.outcome for answer in answers} == {Outcome.SUCCEEDED}
    assert 1 < target.connections <= 16


async def test_a_body_may_end_with_the_connection() -> None:
    async with raw_target(hangs_up_after(NO_LENGTH)) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(2)]
    assert [answer.response_excerpt for answer in answers] == ["ok", "ok"]
    assert target.connections == 2


@pytest.mark.parametrize(
    "cut_short",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nok",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
async def test_an_answer_that_is_cut_short_is_none(cut_short: bytes) -> None:
    async with raw_target(hangs_up_after(cut_short)) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.outcome, answer.at_fault) == (Outcome.FAILED, True)
    assert answer.error == "The target closed the connection before it had answered."


async def test_what_comes_before_the_answer_is_passed_over() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nretry-after: 9\r\n\r\n" * 3
    refusal = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
    async with raw_target(hints + refusal) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(2)]
    assert [(answer.status_code, answer.retry_after) for answer in answers] == [(503, None)] * 2
    assert target.connections == 1


@pytest.mark.parametrize(
    ("method", "outcome", "requests"),
    [("GET", Outcome.SUCCEEDED, 3), ("POST", Outcome.FAILED, 2)],
)
async def test_only_what_may_be_done_twice_is_sent_again_when_a_kept_connection_breaks(
    method: str, outcome: Outcome, requests: int
) -> None:
    async with raw_target(hangs_up_before_the_second(OK)) as target, ringing() as ringer:
        url = f"http://127.0.0.1:{target.port}/"
        first = await ring(ringer, url, method=method)
        second = await ring(ringer, url, method=method)
    assert (first.outcome, second.outcome) == (Outcome.SUCCEEDED, outcome)
    assert len(target.heads) == requests


async def test_a_connection_that_says_something_unasked_is_not_used_again() -> None:
    spoke = asyncio.Event()

    async def speaks_later(writer: asyncio.StreamWriter) -> None:
        await sends(OK)(writer)
        await asyncio.sleep(0)
        writer.write(OK.replace(b"ok", b"no"))
        await writer.drain()
        spoke.set()

    async with raw_target(speaks_later) as target, ringing() as ringer:
        url = f"http://127.0.0.1:{target.port}/"
        await ring(ringer, url)
        await spoke.wait()
        async with asyncio.timeout(10):
            await target.hung_up.wait()
        answer = await ring(ringer, url)
    assert answer.response_excerpt == "ok"
    assert target.connections == 2


async def test_a_ring_that_is_cut_off_leaves_its_connection_to_nobody() -> None:
    asked = asyncio.Event()

    async def never(_: asyncio.StreamWriter) -> None:
        asked.set()

    async with raw_target(never) as target, ringing() as ringer:
        cut_off = asyncio.create_task(ring(ringer, f"http://127.0.0.1:{target.port}/"))
        async with asyncio.timeout(10):
            await asked.wait()
            cut_off.cancel()
            await target.hung_up.wait()
    assert cut_off.cancelled()


async def test_a_line_break_in_a_header_is_not_sent() -> None:
    async with raw_target(OK) as target, ringing() as ringer:
        answer = await ring(
            ringer, f"http://127.0.0.1:{target.port}/", headers={"x-a": "1\r\nx-b: 2"}
        )
    assert (answer.outcome, answer.at_fault, target.heads) == (Outcome.FAILED, False, [])
