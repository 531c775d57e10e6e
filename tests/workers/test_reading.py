"""Answers a little over a bound: what is no body is bounded too, and so is the work of reading."""

from __future__ import annotations

import pytest

from domain.run import Outcome
from tests.workers.http_server import OK, raw_target, sends
from tests.workers.test_transport import ring, ringing
from workers.targets.reading import MOST_BYTES_BESIDE_BODY, MOST_INTERIM, MOST_PIECES, Reading

A_LITTLE_MORE = MOST_BYTES_BESIDE_BODY + 1_024
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        CHUNKED + b"2\r\nok\r\n0\r\nx-trailer: " + b"x" * A_LITTLE_MORE,
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"x" * A_LITTLE_MORE,
        CHUNKED + b"2;" + b"x" * A_LITTLE_MORE,
        CHUNKED + b"0" * A_LITTLE_MORE,
        CHUNKED + b"1;x=y\r\n-\r\n" * (A_LITTLE_MORE // 10),
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
    if b"1;x=y" in content:  # the body's beginning was read before the bound
        assert (answer.outcome, answer.response_excerpt) == (Outcome.SUCCEEDED, "-" * MOST_PIECES)
    else:
        assert (answer.outcome, answer.at_fault) == (Outcome.FAILED, True), answer


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


@pytest.mark.parametrize(
    ("content", "most"),
    [
        (OK + OK * 5_000, 3),
        (CHUNKED + b"1\r\nx\r\n" * 40_000, MOST_PIECES + 2),
    ],
    ids=["one answer after the other", "chunks of one byte"],
)
def test_what_one_read_brings_is_not_parsed_to_its_end(content: bytes, most: int) -> None:
    reading = Counted(has_body=True)
    response = reading.feed(content)
    assert response is not None
    assert response.status == 200
    assert not reading.keeps_alive
    assert reading.calls <= most
