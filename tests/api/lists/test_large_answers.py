"""Large answers that nobody reads hold a bounded number of bytes of their service."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from app.edge.large_answers import LARGE_BYTES, LargeAnswers

KB = 1024


class Principal(msgspec.Struct):
    service_id: UUID


class Client:
    """Reads what it is sent when it is let."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if message["type"] == "http.response.body":
            await self.reads.wait()

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])


class Service:
    """Asks for answers of a size."""

    def __init__(self, answers: LargeAnswers) -> None:
        self._answers = answers
        self._principal = Principal(uuid4())

    def ask(self, size: int, method: str = "GET") -> tuple[Client, asyncio.Task[None]]:
        client = Client()
        state = {"principal": self._principal}
        scope: Any = {"type": "http", "method": method, "size": size, "state": state}
        asking: Any = self._answers(scope, None, client.send)  # type: ignore[arg-type]
        return client, asyncio.create_task(asking)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    body = b"x" * scope["size"]
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def let(client: Client, asking: asyncio.Task[None]) -> None:
    client.reads.set()
    await asking


@pytest.fixture
def answers() -> LargeAnswers:
    return LargeAnswers(answer, of_a_service=500 * KB, in_all=900 * KB)


async def test_a_service_that_leaves_much_unread_is_asked_to_wait_and_others_are_not(
    answers: LargeAnswers,
):
    flood, neighbour = Service(answers), Service(answers)
    slow = [flood.ask(200 * KB) for _ in range(2)]
    await asyncio.sleep(0)
    refused = flood.ask(200 * KB)
    small, other = flood.ask(LARGE_BYTES - 1), neighbour.ask(400 * KB)
    for asked in (refused, small, other):
        await let(*asked)
    assert [asked[0].status for asked in (refused, small, other)] == [429, 200, 200]
    assert dict(refused[0].messages[0]["headers"])[b"retry-after"] == b"1"
    assert len(other[0].body) == 400 * KB
    for asked in slow:
        await let(*asked)
    again = flood.ask(500 * KB)
    await let(*again)
    assert again[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_what_is_done_is_not_answered_as_if_it_were_not(answers: LargeAnswers, method: str):
    service = Service(answers)
    slow = [service.ask(250 * KB) for _ in range(2)]
    await asyncio.sleep(0)
    done = service.ask(200 * KB, method)
    await let(*done)
    assert (done[0].status, len(done[0].body)) == (200, 200 * KB)
    for asked in slow:
        await let(*asked)


async def test_all_services_together_hold_no_more_than_a_process_can(answers: LargeAnswers):
    asked = [Service(answers).ask(400 * KB) for _ in range(3)]
    await asyncio.sleep(0)
    for one in asked:
        await let(*one)
    assert [client.status for client, _ in asked] == [200, 200, 429]


async def test_what_a_client_that_is_gone_held_is_free_again(answers: LargeAnswers):
    service = Service(answers)
    for _ in range(3):
        _, asking = service.ask(400 * KB)
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    client, asking = service.ask(400 * KB)
    await let(client, asking)
    assert client.status == 200


@pytest.mark.parametrize("size", [LARGE_BYTES, LARGE_BYTES + 1, 3 * LARGE_BYTES])
async def test_a_large_answer_is_the_same_in_pieces(answers: LargeAnswers, size: int):
    client, asking = Service(answers).ask(size)
    await let(client, asking)
    assert client.body == b"x" * size
    assert max(len(message.get("body", b"")) for message in client.messages) <= LARGE_BYTES
    assert [message["more_body"] for message in client.messages[1:]][-1] is False
    assert sum(not message["more_body"] for message in client.messages[1:]) == 1
