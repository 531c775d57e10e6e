"""Answers a little over a bound: what is no body is bounded too, and so is the work of reading."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from uuid import UUID

import pytest

from domain.runs.run import Outcome
from tests.workers.http_server import OK, raw_target, sends
from tests.workers.targets.test_transport import ring, ringing
from workers.targets.http.discarding import BYTES_PER_SECOND, LONGEST_REST_SECONDS, Discarding
from workers.targets.http.reading import (
    BYTES_OF_A_PIECE,
    MOST_BYTES_BESIDE_BODY,
    MOST_INTERIM,
    MOST_PIECES,
    Reading,
)

A_LITTLE_MORE = MOST_BYTES_BESIDE_BODY + 1_024
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        CHUNKED + b"2\r\nok\r\n0\r\nx-trailer: " + b"x" * A_LITTLE_MORE,
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"x" * A_LITTLE_MORE,
        CHUNKED + b"2;" + b"x" * A_LITTLE_MORE,
        CHUNKED + b"0" * A_LITTLE_MORE,
        CHUNKED + b"1;x=y\r\n-\r\n" * (A_LITTLE_MORE // 3),
        b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * A_LITTLE_MORE,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MOST_INTERIM + 1),
        b"\r\n" * A_LITTLE_MORE,
    ],
    ids=[
        "the value of a trailer",
        "the name of a trailer",
        "an extension of a chunk",
        "the size of a chunk",
        "many extensions",
        "a head before the answer",
        "many answers before the answer",
        "empty lines",
    ],
)
async def test_an_answer_with_too_much_that_is_no_body_fails_at_once(content: bytes) -> None:
    async with raw_target(sends(content)) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/", seconds=5)
        await target.hung_up.wait()
    assert answer.outcome is Outcome.FAILED
    has_status = content.startswith(b"HTTP/1.1 200")
    assert answer.status_code == (200 if has_status else None)
    assert answer.at_fault


async def test_what_a_server_may_well_send_is_within_the_bounds() -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 9
    chunks = b"1\r\nx\r\n" * 4_000 + b"0\r\nx-trailer: " + b"x" * 8_000 + b"\r\n\r\n"
    async with raw_target(hints + CHUNKED + chunks) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(3)]
    assert [answer.response_excerpt for answer in answers] == ["x" * 4_000] * 3
    assert target.connections == 1


class Counted(Reading):
    """Counts what the parser calls."""

    calls = 0

    def on_message_begin(self) -> None:
        self.calls += 1
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        self.calls += 1
        super().on_body(body)


def test_of_one_answer_after_the_other_the_first_is_read() -> None:
    reading = Counted(has_body=True)
    response = reading.feed(OK + OK * 5_000)
    assert response is not None
    assert response.status == 200
    assert not reading.keeps_alive
    assert reading.calls <= 3


def test_what_one_read_brings_in_small_pieces_is_not_read_at_once() -> None:
    reading = Counted(has_body=True)
    chunks = 43_000
    response = reading.feed(CHUNKED + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n")
    calls = []
    while response is None:
        calls.append(reading.calls)
        assert reading.work > MOST_PIECES * BYTES_OF_A_PIECE
        response = reading.feed(b"")
    grown = [after - before for before, after in pairwise([0, *calls])]
    assert max(grown) < 2 * MOST_PIECES
    assert (response.fault, response.excerpt) == (None, b"x" * 4_096)


def test_chunks_that_come_one_by_one_may_be_any_number() -> None:
    reading = Reading(has_body=True)
    assert reading.feed(CHUNKED) is None
    assert {reading.feed(b"1\r\n.\r\n") for _ in range(50_000)} == {None}
    response = reading.feed(b"0\r\n\r\n")
    assert response is not None
    assert (response.fault, len(response.excerpt)) == (None, 4_096)
    assert reading.keeps_alive


@pytest.mark.parametrize("closes", [False, True])
async def test_an_answer_in_many_small_pieces_is_read_to_its_end(closes: bool) -> None:
    content = CHUNKED + b"5\r\nline\n\r\n" * 60_000 + b"0\r\n\r\n"

    async def answer(writer: asyncio.StreamWriter) -> None:
        await sends(content)(writer)
        if closes:
            writer.close()

    async with raw_target(answer) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(2)]
    assert [one.outcome for one in answers] == [Outcome.SUCCEEDED] * 2, answers
    assert target.connections == (2 if closes else 1)


async def test_no_service_discards_faster_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    discarding, service, other = Discarding(), UUID(int=1), UUID(int=2)
    share = BYTES_PER_SECOND // 16
    assert discarding.seconds(service, share) <= 0
    assert discarding.seconds(service, share) == 1 / 16
    assert discarding.seconds(service, share) == 2 / 16
    assert discarding.seconds(other, share) <= 0
    assert discarding.seconds(service, 100 * share) == LONGEST_REST_SECONDS
    now = 200.0
    assert discarding.seconds(service, share) <= 0
