"""What comes back on a connection, read as one HTTP/1.1 answer within bounds."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

EXCERPT_BYTES = 4_096
"""Of an answer's body, so much is read."""
LONGEST_LINE = 8_192
"""Of an answer's head, which may have so many:"""
MOST_HEADERS = 128
MOST_BYTES_BESIDE_BODY = 128 * 1024
"""Of heads, the sizes and extensions of chunks, and trailers, together."""
MOST_INTERIM = 32
"""Answers with 1xx that may come before the one that counts."""
MOST_PIECES = EXCERPT_BYTES
"""Chunks of a body; of one byte each, so many are read."""
_STEP_BYTES = 16 * 1024
"""The bounds are looked at after so much; a read of the event loop may bring 256 KiB."""
_SWITCHING_PROTOCOLS = 101
_TOO_LARGE_HEAD = "The head of the target's answer is too large."
_FRAMING = {"content-length", "transfer-encoding"}


class BadAnswer(OSError):
    """What came is not the answer of an HTTP/1.1 server, or not all of it, or too large."""


class _Enough(Exception):
    pass


class Response(Struct, frozen=True):
    """Attributes:
    headers: By their names in lower case; of those that came twice, the first.
    excerpt: What the body begins with.
    """

    status: int
    headers: dict[str, str]
    excerpt: bytes


class Reading:
    """Of one answer. The parser's calls take notes; `feed` says what they come to.

    Args:
        has_body: Whether a body may follow the head: not after HEAD and CONNECT.

    Attributes:
        began: Whether anything has come.
        keeps_alive: Whether another request may follow on the connection.
    """

    def __init__(self, *, has_body: bool) -> None:
        self.began = False
        self.keeps_alive = False
        self._has_body = has_body
        self._parser = HttpResponseParser(self)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._lines = self._interim = self._pieces = 0
        self._beside_body = 0
        self._fault: str | None = None
        self._body = bytearray()
        self._has_head = self._has_ended = False

    def feed(self, data: bytes) -> Response | None:
        """The answer, once what has come is enough.

        Raises:
            BadAnswer: When it is none.
        """
        self.began = True
        if len(data) <= _STEP_BYTES:
            self._parse(data)
        else:
            self._parse_in_steps(data)
        if self._has_ended or len(self._body) >= EXCERPT_BYTES:
            return self._response()
        return None

    def feed_end(self) -> Response:
        """The same when the connection has ended, which may have been meant to end the body.

        Raises:
            BadAnswer: When it was not.
        """
        if self._has_head and _FRAMING.isdisjoint(self._headers):
            return self._response()
        raise BadAnswer("The target closed the connection before it had answered.")

    def on_message_begin(self) -> None:
        if self._has_ended:  # what follows the answer is none
            raise _Enough

    def on_status(self, reason: bytes) -> None:
        if len(reason) > LONGEST_LINE:
            self._refuse(_TOO_LARGE_HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines += 1
        if self._lines > MOST_HEADERS or len(name) + len(value) > LONGEST_LINE:
            self._refuse(_TOO_LARGE_HEAD)
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        if self._has_ended:
            return
        self._status = self._parser.get_status_code()
        if self._is_interim():
            return
        self._has_head = True
        self.keeps_alive = self._parser.should_keep_alive()
        self._has_ended = not self._has_body

    def on_body(self, body: bytes) -> None:
        self._pieces += 1
        if self._has_ended or self._pieces > MOST_PIECES:
            raise _Enough
        self._beside_body -= len(body)
        if (room := EXCERPT_BYTES - len(self._body)) > 0:
            self._body += body[:room]

    def on_message_complete(self) -> None:
        if not self._is_interim():
            self._has_ended = True
            return
        self._headers.clear()
        self._interim += 1
        if self._interim > MOST_INTERIM:
            self._refuse(_TOO_LARGE_HEAD)

    def _parse_in_steps(self, data: bytes) -> None:
        for at in range(0, len(data), _STEP_BYTES):
            if self._has_ended or self._pieces > MOST_PIECES:
                self.keeps_alive = False
                return
            self._parse(data[at : at + _STEP_BYTES])

    def _parse(self, data: bytes) -> None:
        self._beside_body += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keeps_alive = False
            if self._fault is not None:
                raise BadAnswer(self._fault) from None
            if not self._has_ended and self._pieces <= MOST_PIECES:
                raise BadAnswer(f"The target's answer is no HTTP/1.1: {error}") from None
        if self._beside_body > MOST_BYTES_BESIDE_BODY and not self._has_ended:
            raise BadAnswer("The target's answer has too much that is no body.")

    def _refuse(self, fault: str) -> None:
        self._fault = fault
        raise _Enough

    def _is_interim(self) -> bool:
        return not self._has_head and self._status < 200 and self._status != _SWITCHING_PROTOCOLS

    def _response(self) -> Response:
        if self._status == _SWITCHING_PROTOCOLS:
            raise BadAnswer("The target answered with another protocol than HTTP/1.1.")
        if not self._has_ended:
            self.keeps_alive = False
        return Response(self._status, self._headers, bytes(self._body))
