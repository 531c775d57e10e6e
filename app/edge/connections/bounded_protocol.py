"""HTTP/1.1 from the socket, with a bound on every size and every wait."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from itertools import chain
from typing import Any

import msgspec
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.edge.connections.gathered_writes import GatheredWrites
from app.edge.response_headers import Headers
from app.requests.request import MAX_BODY_BYTES
from app.responses.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, problem
from domain.ids import new_id

log = structlog.get_logger()

HEAD_SECONDS = 10.0
"""From a connection's beginning, or a request's first byte, until its head is complete."""
BODY_SECONDS = 30.0
"""From a request's head until its body is complete."""
ANSWER_SECONDS = 30.0
"""For how long a client may leave unread what it is sent."""
MAX_URL_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_MESSAGE_BYTES = 4 * MAX_BODY_BYTES
"""Of a body with all that frames it; what is more is not even read to be thrown away."""
MAX_CONNECTIONS = 800
"""Of one process: with those to its servers they stay below the usual 1,024 descriptors."""
LINGER_SECONDS = 1.0
"""How long what still comes is read behind a refusal: at once, it would be lost with the rest."""
_FRAMING = {b"content-length", b"transfer-encoding"}


class _Part(Enum):
    """What of a request is coming."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which leaves slow and large requests to whoever is in front."""

    def __init__(self, headers: Headers, leaving: asyncio.Event, **options: Any) -> None:
        """Take uvicorn's options, the headers of every refusal, and what is set once we end."""
        super().__init__(**options)
        self._leaving = leaving
        self._headers = headers
        self._part = _Part.NOTHING
        self._bytes = 0
        self._refused = False
        # Of what is missing; the timer may ring for one that has passed, and is then set anew.
        self._deadline: float | None = None
        self._deadline_of = _Part.NOTHING
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(GatheredWrites(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(503, "There are too many connections; try again shortly.")
        else:
            self._watch_the_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_the_clock()
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._is_read()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._bytes += len(data)
        super().data_received(data)
        if not self._refused:
            if self._part is not _Part.NOTHING:
                self._check_size()
            self._watch_the_clock()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._part = _Part.HEAD
        self._deadline = None

    def on_headers_complete(self) -> None:
        if refusal := self._too_large() or self._would_lose_its_body():
            self._refuse(*refusal)
            # What else the parser has in hand is not to be a request.
            raise ConnectionAbortedError
        super().on_headers_complete()
        if self._leaving.is_set():
            self.cycle.keep_alive = False
        self._part, self._bytes = _Part.BODY, 0
        # Trailers are no headers, and would become some.
        self.headers = []

    def on_message_complete(self) -> None:
        self._part, self._bytes = _Part.NOTHING, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser cannot read."""
        self._refuse(400, "This is no HTTP/1.1 request.")

    def shutdown(self) -> None:
        if self._refused:
            self._close()
        super().shutdown()

    def _too_large(self) -> tuple[int, str] | None:
        if len(self.url) > MAX_URL_BYTES:
            return 414, "An address may have 8 KiB at most."
        size = sum(map(len, chain.from_iterable(self.headers)))
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            return 431, "A request may have 100 headers and 32 KiB of them at most."
        return None

    def _would_lose_its_body(self) -> tuple[int, str] | None:
        # Of a request that asks for an upgrade, the parser takes the body for the other protocol:
        # it would be missing, or be read as the next request.
        if self.parser.should_upgrade() and any(name in _FRAMING for name, _ in self.headers):
            return 400, "This is HTTP/1.1 only: send what has a body without asking for an upgrade."
        return None

    def _check_size(self) -> None:
        if self._part is _Part.BODY:
            if self._bytes > MAX_MESSAGE_BYTES:
                self._refuse(413, "A body may have 256 KiB at most.")
        elif self._part is _Part.HEAD and self._bytes > MAX_URL_BYTES + MAX_HEAD_BYTES:
            # Not complete yet, and too large already.
            self._refuse(*(self._too_large() or (431, "A request may have 32 KiB of headers.")))

    def _watch_the_clock(self) -> None:
        """Have a deadline while something of a request is missing, and no request waits for us."""
        if self._part is _Part.NOTHING and not self._is_idle():
            self._deadline = None
        elif self._deadline is None or self._deadline_of is not self._part:
            seconds = BODY_SECONDS if self._part is _Part.BODY else HEAD_SECONDS
            self._deadline_of = self._part
            self._deadline = self.loop.time() + seconds
            if self._timer is None:
                self._timer = self.loop.call_later(HEAD_SECONDS, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        # One timer for many requests: to set and cancel one for each would cost more than reading.
        self._timer = None
        if self._deadline is None:
            return
        left = self._deadline - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(min(left, HEAD_SECONDS), self._look_at_the_clock)
        else:
            self._out_of_time()

    def _forget_the_clock(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _out_of_time(self) -> None:
        if self._part is _Part.NOTHING:
            self._close()  # it never said anything
        else:
            self._refuse(408, "The request did not come in time.")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer, if no other answer is on its way, and read no further."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._forget_the_clock()
        log.info("connection.refused", status=status, detail=detail)
        if not self._may_answer():
            self._close()
            return
        self._let_the_application_know()
        self.transport.write(_refusal(status, detail, self._headers))
        self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER_SECONDS, self._close)

    def _close(self) -> None:
        """Close when what was written is sent, if it ever is."""
        self.transport.close()
        self._is_unread()

    def _is_unread(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _may_answer(self) -> bool:
        if self._part is _Part.BODY:
            return not self.cycle.response_started and not self.pipeline
        return self._is_idle()

    def _let_the_application_know(self) -> None:
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()


def _refusal(status: int, detail: str, more: Headers) -> bytes:
    body = msgspec.json.encode(problem(status, detail))
    headers: Headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", str(new_id()).encode()),
        *more,
    ]
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER_SECONDS.encode()))
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"%b%b\r\n%b" % (STATUS_LINE[status], head, body)
