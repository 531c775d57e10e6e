"""Attacks on the ringer by targets and by names, with real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.runs.run import Outcome
from domain.targets.egress import parse_egress
from domain.targets.kinds.http import HttpTarget
from domain.targets.tls import Tls
from storage.crypto.encryption_keys import NO_KEYS
from tests.workers.certificates import Authority
from tests.workers.http_server import OK, raw_target, sends_forever
from tests.workers.ringing import waiting_run
from workers.targets.answer import Answer
from workers.targets.http.config import TransportConfig
from workers.targets.http.transport import Transport
from workers.targets.kinds.http import HttpRinger

NAME = "target.example"
LOCAL = ["127.0.0.0/8"]


FORGETFUL = TransportConfig(kept_seconds=0)


class Names:
    """Answers each question with the next addresses; the last ones stay."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def ringing(
    *, allow: list[str] = LOCAL, deny: list[str] | None = None, **options: Any
) -> AsyncIterator[HttpRinger]:
    rules = parse_egress(allow, deny or [])
    ringer = HttpRinger(Transport(rules, 16, **options), NO_KEYS)
    yield ringer
    await ringer.close()


async def ring(ringer: HttpRinger, url: str, *, seconds: float = 20, **target: Any) -> Answer:
    run = msgspec.structs.replace(
        waiting_run(0),
        target=HttpTarget(url=url, timeout=timedelta(seconds=seconds), **target),
    )
    return await ringer.ring(run, datetime.now(UTC))


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to() -> None:
    names = Names(["127.0.0.1"], ["127.0.0.66"])
    async with raw_target(OK) as target, ringing(resolve=names.resolve) as ringer:
        answer = await ring(ringer, f"http://{NAME}:{target.port}/")
        assert answer.outcome is Outcome.SUCCEEDED
    assert names.asked == [NAME]


async def test_a_name_that_changes_its_mind_gains_nothing() -> None:
    names = Names(["127.0.0.1"], ["127.0.0.66"])
    hang_up = OK.replace(b"content", b"connection: close\r\ncontent")
    async with (
        raw_target(hang_up) as public,
        raw_target(OK, host="127.0.0.66") as inside,
        ringing(deny=["127.0.0.66/32"], resolve=names.resolve, config=FORGETFUL) as ringer,
    ):
        first = await ring(ringer, f"http://{NAME}:{public.port}/")
        second = await ring(ringer, f"http://{NAME}:{inside.port}/")
    assert first.outcome is Outcome.SUCCEEDED
    assert second.outcome is Outcome.FAILED
    assert second.error == "The target's address 127.0.0.66 is not allowed."
    assert names.asked == [NAME, NAME]
    assert inside.connections == 0


async def test_of_several_addresses_only_those_allowed_are_tried() -> None:
    names = Names(["127.0.0.66", "127.0.0.1"])
    async with (
        raw_target(OK) as target,
        ringing(deny=["127.0.0.66/32"], resolve=names.resolve, config=FORGETFUL) as ringer,
    ):
        answer = await ring(ringer, f"http://{NAME}:{target.port}/")
    assert answer.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "127.0.0.1.", "localhost"])
async def test_loopback_is_not_reached_by_any_name_for_it(host: str) -> None:
    async with raw_target(OK) as target, ringing(allow=[]) as ringer:
        answer = await ring(ringer, f"http://{host}:{target.port}/")
    assert answer.outcome is Outcome.FAILED
    assert target.connections == 0


@pytest.mark.parametrize("host", ["secret.corp", "SECRET.corp", "secret.corp."])
async def test_a_denied_host_is_not_even_resolved(host: str) -> None:
    names = Names(["127.0.0.1"])
    async with raw_target(OK) as target, ringing(deny=["*.corp"], resolve=names.resolve) as ringer:
        answer = await ring(ringer, f"http://{host}:{target.port}/")
    assert "not allowed" in (answer.error or "")
    assert (names.asked, target.connections) == ([], 0)


async def test_a_redirect_is_not_followed() -> None:
    async with raw_target(OK) as inside:
        moved = f"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:{inside.port}/\r\n"
        async with (
            raw_target(f"{moved}content-length: 0\r\n\r\n".encode()) as target,
            ringing() as ringer,
        ):
            answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
    assert (answer.outcome, answer.status_code) == (Outcome.FAILED, 307)
    assert inside.connections == 0


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["long", "chunked", "until the end"],
)
async def test_of_an_endless_body_16_mib_are_read_and_the_connection_is_closed(head: bytes) -> None:
    piece = b"x" * 65_536
    if b"chunked" in head:
        piece = b"10000\r\n" + piece + b"\r\n"
    async with raw_target(sends_forever(head, piece)) as target, ringing() as ringer:
        answer = await ring(ringer, f"http://127.0.0.1:{target.port}/")
        async with asyncio.timeout(10):
            await target.hung_up.wait()
    assert (answer.outcome, answer.status_code) == (Outcome.FAILED, 200)
    assert answer.error == "The target answered 200, but its answer is longer than 16 MiB."
    assert answer.response_excerpt == "x" * 4_096
    assert not answer.at_fault  # others of its origin are rung


async def test_a_long_answer_is_read_to_its_end_with_rests_by_tls_too(
    tmp_path: Path,
) -> None:
    config = TransportConfig(discard_at_once_seconds=0)
    authority = Authority()
    long = b"HTTP/1.1 200 OK\r\ncontent-length: 4000000\r\n\r\n" + b"x" * 4_000_000
    async with (
        raw_target(long) as plain,
        raw_target(long, tls=authority.server(tmp_path, NAME)) as secret,
        ringing(resolve=Names(["127.0.0.1"]).resolve, config=config) as ringer,
    ):
        tls = Tls(ca=authority.pem)
        answers = [
            await ring(ringer, f"http://{NAME}:{plain.port}/"),
            await ring(ringer, f"https://{NAME}:{secret.port}/", tls=tls),
            await ring(ringer, f"http://{NAME}:{plain.port}/"),
            await ring(ringer, f"https://{NAME}:{secret.port}/", tls=tls),
        ]
    assert [answer.error for answer in answers] == [None] * 4
    assert (plain.connections, secret.connections) == (1, 1)


@pytest.mark.parametrize(
    ("head", "piece", "status"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", 200),
        (b"HTTP/1.1 500 No\r\ncontent-length: 9000\r\n\r\n" + b"x" * 5_000, b"x", 500),
        (b"HTTP/1.1 202 OK\r\n", b"x-drip: 1\r\n", 202),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"HTTP/1.1 2", b"", None),
    ],
    ids=["a body", "what is discarded", "a head", "answers before it", "silence"],
)
async def test_a_target_that_drips_is_timed_out_and_its_status_is_kept(
    head: bytes, piece: bytes, status: int | None
) -> None:
    async with (
        raw_target(sends_forever(head, piece, pause=0.05)) as target,
        ringing() as ringer,
    ):
        async with asyncio.timeout(15):
            answer = await ring(ringer, f"http://127.0.0.1:{target.port}/", seconds=0.4)
            if piece:
                await target.hung_up.wait()
    assert (answer.outcome, answer.status_code) == (Outcome.TIMED_OUT, status)
    if status is None:
        assert answer.error == "No answer within 0.4 s."
    else:
        what = f"The target answered {status}, but its answer did not end within 0.4 s."
        assert answer.error == what


async def test_what_the_first_target_left_unread_is_no_answer_of_the_next() -> None:
    smuggled = OK + b"HTTP/1.1 204 Smuggled\r\n\r\n"
    async with raw_target(smuggled) as target, ringing() as ringer:
        answers = [await ring(ringer, f"http://127.0.0.1:{target.port}/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(target.heads) == 3


async def test_tls_is_checked_against_the_targets_authority(tmp_path: Path) -> None:
    authority, stranger = Authority(), Authority("stranger")
    names = Names(["127.0.0.1"])
    async with (
        raw_target(OK, tls=authority.server(tmp_path, NAME)) as target,
        ringing(resolve=names.resolve) as ringer,
    ):
        url = f"https://{NAME}:{target.port}/"
        known = await ring(ringer, url, tls=Tls(ca=authority.pem))
        # What one target trusts is no business of another's, kept connections included.
        by_stranger = await ring(ringer, url, tls=Tls(ca=stranger.pem))
        by_nobody = await ring(ringer, url)
        both = await ring(ringer, url, tls=Tls(ca=stranger.pem + authority.pem))
        wrong_name = await ring(
            ringer, f"https://other.example:{target.port}/", tls=Tls(ca=authority.pem)
        )
    assert [known.outcome, both.outcome] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    for refused in (by_stranger, by_nobody, wrong_name):
        assert refused.outcome is Outcome.FAILED
        assert "certificate" in (refused.error or "").lower()
    assert len(target.heads) == 2


async def test_a_certificate_that_has_ended_is_refused(tmp_path: Path) -> None:
    authority = Authority()
    async with (
        raw_target(OK, tls=authority.server(tmp_path, NAME, ended=True)) as target,
        ringing(resolve=Names(["127.0.0.1"]).resolve) as ringer,
    ):
        answer = await ring(ringer, f"https://{NAME}:{target.port}/", tls=Tls(ca=authority.pem))
    assert answer.outcome is Outcome.FAILED
    assert target.heads == []


async def test_a_proxy_is_asked_for_the_address_that_was_checked() -> None:
    names = Names(["127.0.0.5"], ["127.0.0.66"])
    # The proxy itself lies where no target may.
    async with (
        raw_target(OK) as proxy,
        ringing(
            allow=["127.0.0.5/32"],
            proxy=f"http://127.0.0.1:{proxy.port}",
            resolve=names.resolve,
            config=FORGETFUL,
        ) as ringer,
    ):
        answer = await ring(ringer, f"http://{NAME}:8080/run?x=1", body=msgspec.Raw(b"{}"))
        denied = await ring(ringer, f"http://{NAME}:8080/run")
    assert answer.outcome is Outcome.SUCCEEDED
    (head,) = proxy.heads
    assert head.startswith(b"POST http://127.0.0.5:8080/run?x=1 HTTP/1.1\r\n")
    assert b"\r\nhost: target.example:8080\r\n" in head.lower()
    assert proxy.bodies == [b"{}"]
    assert denied.error == "The target's address 127.0.0.66 is not allowed."


async def test_through_a_proxy_the_targets_certificate_is_checked_by_its_name(
    tmp_path: Path,
) -> None:
    authority = Authority()
    asked: list[bytes] = []

    async with raw_target(OK, tls=authority.server(tmp_path, NAME)) as target:

        async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            to_target = await asyncio.open_connection("127.0.0.1", target.port)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await asyncio.gather(pipe(reader, to_target[1]), pipe(to_target[0], writer))

        proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        async with ringing(
            proxy=f"http://127.0.0.1:{port}", resolve=Names(["127.0.0.1"]).resolve
        ) as ringer:
            known = await ring(ringer, f"https://{NAME}:{target.port}/", tls=Tls(ca=authority.pem))
            other = await ring(
                ringer, f"https://other.example:{target.port}/", tls=Tls(ca=authority.pem)
            )
        proxy.close()
    assert known.outcome is Outcome.SUCCEEDED, known.error
    assert other.outcome is Outcome.FAILED
    assert {head.split(b"\r\n")[0] for head in asked} == {
        b"CONNECT 127.0.0.1:%d HTTP/1.1" % target.port
    }
    assert b"\r\nhost: target.example" in target.heads[0].lower()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while received := await reader.read(65_536):
            writer.write(received)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
