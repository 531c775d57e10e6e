"""Large answers leave in pieces, and few bytes of them are held at once for one service."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from app.responses.problems import RETRY_AFTER_SECONDS, problem, send_problem
from storage.shares import note_used_up

LARGE_BYTES = 64 * 1024
"""What is smaller goes into the connection's buffer at once."""
ANSWER_BYTES_OF_A_SERVICE = 24 * 1024 * 1024
"""Of large answers that clients are still reading, in one process."""
ANSWER_BYTES = 96 * 1024 * 1024
"""The same of all services."""
_READING = ("GET", "HEAD")
_REFUSED = "The service reads as many large answers as it may at once; try again shortly."


class LargeAnswers:
    """Around the application: a client that reads slowly holds memory that its service answers for.

    Requests without a principal count as those of one service. What has changed something is
    answered in any case: its client would do it again.

    Args:
        of_a_service: So many bytes may be held for one service.
        in_all: So many for all of them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        of_a_service: int = ANSWER_BYTES_OF_A_SERVICE,
        in_all: int = ANSWER_BYTES,
    ) -> None:
        self._app = app
        self._of_a_service = of_a_service
        self._in_all = in_all
        self._bytes: Counter[UUID | None] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = _Sending(self, scope, send)
        try:
            await self._app(scope, receive, sending.send)
        finally:
            sending.end()

    def has_room(self, service_id: UUID | None, size: int) -> bool:
        """Whether so many bytes may be held."""
        if self._bytes[service_id] + size > self._of_a_service:
            return False
        return self._bytes.total() + size <= self._in_all

    def take(self, service_id: UUID | None, size: int) -> None:
        """So many bytes are held."""
        self._bytes[service_id] += size

    def give_back(self, service_id: UUID | None, size: int) -> None:
        """They are held no more."""
        self._bytes[service_id] -= size
        if not self._bytes[service_id]:
            del self._bytes[service_id]


class _Sending:
    """One answer."""

    __slots__ = ("_all", "_held", "_refused", "_scope", "_send", "_service_id")

    def __init__(self, answers: LargeAnswers, scope: Scope, send: Send) -> None:
        self._all = answers
        self._scope = scope
        self._send = send
        self._held = 0
        self._refused = False
        self._service_id: UUID | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            size = _length(message["headers"])
            if size >= LARGE_BYTES and not self._take(size):
                await self._refuse()
                return
        elif self._refused:
            return
        elif self._held and message["type"] == "http.response.body":
            body, more = message.get("body", b""), message.get("more_body", False)
            await self._send_pieces(body, more=more)
            return
        await self._send(message)

    def end(self) -> None:
        """Whatever became of it."""
        if self._held:
            self._all.give_back(self._service_id, self._held)

    def _take(self, size: int) -> bool:
        principal = self._scope.get("state", {}).get("principal")
        self._service_id = getattr(principal, "service_id", None)
        reads = self._scope.get("method") in _READING
        if reads and not self._all.has_room(self._service_id, size):
            return False
        self._all.take(self._service_id, size)
        self._held = size
        return True

    async def _refuse(self) -> None:
        self._refused = True
        note_used_up("answers")
        retry_after = (b"retry-after", RETRY_AFTER_SECONDS.encode())
        await send_problem(self._send, problem(429, _REFUSED), [retry_after])

    async def _send_pieces(self, body: bytes, *, more: bool) -> None:
        last = max(len(body) - 1, 0) // LARGE_BYTES
        for number in range(last + 1):
            piece = body[number * LARGE_BYTES : (number + 1) * LARGE_BYTES]
            await self._send(
                {
                    "type": "http.response.body",
                    "body": piece,
                    "more_body": more or number < last,
                }
            )
            # What was written goes out now: only then is it known whether the client reads.
            await asyncio.sleep(0)


def _length(headers: object) -> int:
    for name, value in headers:  # type: ignore[attr-defined]
        if name == b"content-length":
            return int(value)
    return 0
