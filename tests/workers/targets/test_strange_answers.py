"""Answers that are not as they should be: their target did the work, so their status counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.runs.run import Outcome
from tests.workers.http_server import raw_target, sends
from tests.workers.targets.test_transport import ring, ringing

LINE = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"content-length: 2\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
CHUNKS = b"2\r\nok\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        LINE + b"x-long: " + b"x" * 100_000 + b"\r\n" + LENGTH + b"\r\nok",
        LINE + b"x" * 9_000 + b": 1\r\n" + LENGTH + b"\r\nok",
        LINE + b"".join(b"x-%d: 1\r\n" % n for n in range(1_000)) + LENGTH + b"\r\nok",
        b"HTTP/1.1 200 " + b"O" * 100_000 + b"\r\n" + LENGTH + b"\r\nok",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\nok",
        b"HTTP/1.1 200\ncontent-length: 2\n\nok",
        b"HTTP/1.1 103 Hints\nlink: </a>\n\nHTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        LINE + LENGTH + CHUNKED + b"\r\n" + CHUNKS,
        LINE + CHUNKED + LENGTH + b"\r\n" + CHUNKS,
        LINE + CHUNKED + b"content-length: 9\r\n\r\n" + CHUNKS,
        LINE + b"x: a\0b\1\r\n" + LENGTH + b"\r\nok",
        LINE + b"x: a\r\n folded\r\n" + LENGTH + b"\r\nok",
    ],
    ids=[
        "a long header",
        "a long name",
        "many headers",
        "a long first line",
        "bare line feeds",
        "one bare line feed",
        "no reason",
        "bare line feeds before it, too",
        "a length and chunks",
        "chunks and a length",
        "chunks and another length",
        "control characters",
        "a folded header",
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in two parts"])
async def test_a_strange_head_hides_no_success_and_its_connection_is_closed(
    content: bytes, at_once: bool
) -> None:
    parts = [content] if at_once else [content[: len(content) // 2], content[len(content) // 2 :]]

    async def answer(writer: object) -> None:
        for part in parts:
            await sends(part)(writer)  # type: ignore[arg-type]

    async with raw_target(answer) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(2)]
    assert [(one.outcome, one.status_code, one.response_excerpt) for one in answers] == [
        (Outcome.SUCCEEDED, 200, "ok")
    ] * 2
    assert target.connections == 2


@pytest.mark.parametrize(
    "content",
    [
        LINE + b"content-length: 1\r\ncontent-length: 2\r\n\r\nok",
        LINE + b"content-length: two\r\n\r\nok",
        LINE + b"no header\r\n\r\nok",
        LINE + b"x y: 1\r\n\r\nok",
        LINE + b"x: " + b"x" * 200_000,
        LINE + CHUNKED + b"\r\nxx\r\nok\r\n",
        LINE + CHUNKED + b"\r\n2\r\nok0\r\n\r\n",
        LINE + CHUNKED + b"\r\n" + b"fffffffffffffffff\r\n",
    ],
    ids=[
        "two lengths",
        "a length that is none",
        "no header",
        "no name",
        "more than is read",
        "no chunk",
        "a chunk without an end",
        "too large a chunk",
    ],
)
async def test_an_answer_that_nobody_can_read_fails_and_its_status_is_kept(content: bytes) -> None:
    async with raw_target(content) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/", seconds=5)
        await target.hung_up.wait()
    assert (answer.outcome, answer.status_code, answer.at_fault) == (Outcome.FAILED, 200, True)
    assert (answer.error or "").startswith("The target answered 200, but its answer ")


async def test_another_protocol_is_no_success() -> None:
    switched = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    async with raw_target(switched) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.outcome, answer.status_code) == (Outcome.FAILED, 101)


@pytest.mark.parametrize(
    "content", [b"\0\xff" * 100, b"HTTP/2 200 OK\r\n\r\n", b"ICY 200 OK\r\n\r\n"]
)
async def test_what_is_no_http_has_no_status(content: bytes) -> None:
    async with raw_target(content) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.outcome, answer.status_code, answer.at_fault) == (Outcome.FAILED, None, True)
    assert len(answer.error or "") <= 1_000


async def test_a_refusal_with_a_strange_head_says_when_to_ask_again() -> None:
    busy = b"HTTP/1.1 503 Busy\nretry-after: 9\ncontent-length: 0\n\n"
    async with raw_target(busy) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.status_code, answer.retry_after) == (503, timedelta(seconds=9))
    assert answer.error == "The target answered 503."
