"""Kept connections: which ones are used again, and where an answer ends."""

from __future__ import annotations

import asyncio
import struct
from socket import SO_LINGER, SOL_SOCKET

import pytest

from domain.runs.run import Outcome
from tests.workers.http_server import OK, Answer, raw_target, sends
from tests.workers.targets.test_transport import Names, ring, ringing
from workers.targets.http.config import DEFAULTS, TransportConfig

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
    "framing", [b"content-length: 5002", b"transfer-encoding: chunked", b"x: 1"]
)
async def test_an_answer_lasts_until_its_end_also_where_it_is_discarded(framing: bytes) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()
    chunked, closes = b"chunked" in framing, b"x: 1" in framing

    async def goes_on(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        writer.write((b"1388\r\n" if chunked else b"") + b"x" * 5_000)
        await writer.drain()
        began.set()
        await may_end.wait()
        writer.write(b"\r\n2\r\nok\r\n0\r\n\r\n" if chunked else b"ok")
        if closes:
            writer.close()

    async with raw_target(goes_on) as target, raw_target(OK) as other, ringing() as ringer:
        url = f"http://127.0.0.1:{target.port}/"
        under_way = asyncio.create_task(ring(ringer, url))
        async with asyncio.timeout(10):
            await began.wait()
            for _ in range(3):  # by then, what was sent has been read
                await ring(ringer, f"http://127.0.0.1:{other.port}/")
            assert not under_way.done()
            may_end.set()
            answers = [await under_way, await ring(ringer, url)]
    assert [answer.outcome for answer in answers] == [Outcome.SUCCEEDED] * 2
    assert answers[0].response_excerpt == "x" * 4_096
    assert target.connections == (2 if closes else 1)


@pytest.mark.parametrize(
    "cut_short",
    [b"", b"HTTP/1.1 2", b"HTTP/1.1 102 Wait\r\n\r\n", b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 200"],
    ids=["nothing", "half a line", "one before it", "half a line after that"],
)
async def test_an_answer_without_a_status_is_none(cut_short: bytes) -> None:
    async with raw_target(hangs_up_after(cut_short)) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.outcome, answer.status_code) == (Outcome.FAILED, None)
    assert answer.at_fault
    assert answer.error == "The target closed the connection before it had answered."


@pytest.mark.parametrize("breaks", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    "cut_short",
    [
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n" + b"x" * 8_999,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n",
    ],
    ids=[
        "half a head",
        "half a body",
        "what is discarded",
        "half a chunk",
        "no end",
        "half an end",
    ],
)
async def test_an_answer_that_breaks_off_fails_and_its_status_is_kept(
    cut_short: bytes, breaks: bool
) -> None:
    async def answer_some(writer: asyncio.StreamWriter) -> None:
        await hangs_up_after(cut_short)(writer) if not breaks else await resets_after(writer)

    async def resets_after(writer: asyncio.StreamWriter) -> None:
        writer.write(cut_short)
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with raw_target(answer_some) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.outcome, answer.status_code) == (Outcome.FAILED, 200)
    assert answer.at_fault
    said = "The target answered 200, but its answer broke off when the connection was closed."
    assert answer.error == said


async def test_what_comes_before_the_answer_is_passed_over() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nretry-after: 9\r\n\r\n" * 3
    refusal = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"
    async with raw_target(hints + refusal) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(2)]
    assert [(answer.status_code, answer.retry_after) for answer in answers] == [(503, None)] * 2
    assert target.connections == 1


# However long this machine takes to close a connection, it was closed at once.
SLOW_MACHINE = TransportConfig(crossing_seconds=60)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
async def test_what_a_kept_connection_was_closed_before_is_sent_once_more_on_a_new_one(
    method: str,
) -> None:
    async with (
        raw_target(hangs_up_before_the_second(OK)) as target,
        ringing(config=SLOW_MACHINE) as ringer,
    ):
        url = f"http://127.0.0.1:{target.port}/"
        answers = [await ring(ringer, url, method=method) for _ in range(2)]
    assert [answer.outcome for answer in answers] == [Outcome.SUCCEEDED] * 2
    assert (len(target.heads), target.connections) == (3, 2)
    assert target.heads[1] == target.heads[2]  # it can tell by the webhook-id


@pytest.mark.promise("at least once")
@pytest.mark.parametrize(
    ("answer", "requests"),
    [(b"", 3), (b"HTTP/1.1 ", 2)],
    ids=["closed again", "closed after the first bytes"],
)
async def test_nothing_is_sent_a_third_time_or_once_an_answer_began(
    answer: bytes, requests: int
) -> None:
    first = True

    async def answers_the_first(writer: asyncio.StreamWriter) -> None:
        nonlocal first
        await (sends(OK) if first else hangs_up_after(answer))(writer)
        first = False

    async with raw_target(answers_the_first) as target, ringing(config=SLOW_MACHINE) as ringer:
        url = f"http://127.0.0.1:{target.port}/"
        answers = [await ring(ringer, url) for _ in range(2)]
    assert [answer.outcome for answer in answers] == [Outcome.SUCCEEDED, Outcome.FAILED]
    assert len(target.heads) == requests


async def test_what_was_closed_long_after_a_request_is_not_sent_again() -> None:
    async with (
        raw_target(hangs_up_before_the_second(OK)) as target,
        ringing(config=TransportConfig(crossing_seconds=0)) as ringer,
    ):
        url = f"http://127.0.0.1:{target.port}/"
        answers = [await ring(ringer, url, method="GET") for _ in range(2)]
    assert [answer.outcome for answer in answers] == [Outcome.SUCCEEDED, Outcome.FAILED]
    assert len(target.heads) == 2


@pytest.mark.parametrize("old_when", ["it was used", "it is to be used"])
async def test_a_name_that_has_moved_is_followed_once_its_connection_is_old(
    old_when: str,
) -> None:
    age = 0 if old_when == "it was used" else DEFAULTS.greatest_age_seconds
    config = TransportConfig(kept_seconds=0, greatest_age_seconds=age)
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    async with raw_target(OK) as old, ringing(resolve=names.resolve, config=config) as ringer:
        async with raw_target(OK, host="127.0.0.2", port=old.port) as new:
            url = f"http://target.example:{old.port}/"
            await ring(ringer, url)
            ringer._transport._idle._greatest_age_seconds = 0
            await ring(ringer, url)
        async with asyncio.timeout(10):
            await old.hung_up.wait()
    assert (len(old.heads), len(new.heads)) == (1, 1)


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
