"""What comes back on a connection, read as one HTTP/1.1 answer within bounds."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

EXCERPT_BYTES = 4_096
"""Of an answer's body, so much is kept."""
MOST_BYTES = 16 * 2**20
"""Of an answer, so much is read; of its body, what exceeds the excerpt is discarded."""
LONGEST_LINE = 8_192
"""Of a head, the longest header that is kept, and so many of them:"""
MOST_HEADERS = 128
MOST_BYTES_BESIDE_BODY = 128 * 1024
"""Of heads, the sizes and extensions of chunks, and trailers, together."""
MOST_INTERIM = 32
"""Answers with 1xx that may come before the one that counts."""
MOST_PIECES = EXCERPT_BYTES
"""Chunks of a body that are read at once, more or less; the others can wait."""
BYTES_OF_A_PIECE = 512
"""To read a chunk is as much work as to read so many bytes."""
_PLAIN_CHUNK_BYTES = 6
"""Of a chunk's size and line ends, so many are none of the bytes beside the body."""
_STEP_BYTES = 16 * 1024
"""The bounds are looked at after so much; a read of the event loop may bring 256 KiB."""
_SWITCHING_PROTOCOLS = 101
# Without them nobody knows where the answer ends, or when to ask again.
_ALWAYS_KEPT = {b"content-length", b"transfer-encoding", b"retry-after"}


class BadAnswer(OSError):
    """What came has no status: it is not the answer of an HTTP/1.1 server, or too little of it."""


class _Enough(Exception):
    pass


class Response(Struct, frozen=True):
    """Attributes:
    headers: By their names in lower case; of those that came twice, the first.
    excerpt: What the body begins with.
    fault: What is wrong with the answer, if it is not complete: "broke off", for instance.
    is_broken: Whether that is the target's fault.
    """

    status: int
    headers: dict[str, str]
    excerpt: bytes
    fault: str | None = None
    is_broken: bool = False


class Reading:
    """Of one answer. The parser's calls take notes; `feed` says what they come to.

    An answer whose head the strict parser does not take is read once more by a lenient one: its
    target has done the work. Then, nothing follows on the connection.

    Args:
        has_body: Whether a body may follow the head: not after HEAD and CONNECT.

    Attributes:
        began: Whether anything has come.
        rest: What came and is still to be read, when `feed` is called again.
        keeps_alive: Whether another request may follow on the connection.
    """

    def __init__(self, *, has_body: bool) -> None:
        self.began = False
        self.keeps_alive = False
        self.rest = b""
        self._has_body = has_body
        self._head: list[bytes] = []
        self._is_lenient = False
        self._start()

    def _start(self) -> None:
        self._parser = HttpResponseParser(self)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._lines = self._interim = self._pieces = 0
        self._size = self._beside_body = self._last = 0
        self._fault: str | None = None
        self._body = bytearray()
        self._is_strange = self._is_unreadable = self._is_large = False
        self._has_status = self._has_head = self._has_ended = False

    @property
    def discards(self) -> bool:
        """Whether what comes now is read for its end alone."""
        return len(self._body) >= EXCERPT_BYTES

    @property
    def work(self) -> int:
        """How much it was to read what came last, in bytes."""
        return self._last + self._pieces * BYTES_OF_A_PIECE

    @property
    def begun(self) -> Response | None:
        """What has come of an answer that has not ended, if that tells a status."""
        status = self._status if self._has_head else self._parser.get_status_code()
        if not self._has_status or (status < 200 and status != _SWITCHING_PROTOCOLS):
            return None
        fault = self._fault or "did not end"
        return Response(status, self._headers, bytes(self._body), fault, not self._is_large)

    def feed(self, data: bytes) -> Response | None:
        """The answer, once it is complete, or once it is known that it never will be.

        Raises:
            BadAnswer: When it has no status.
        """
        self.began = True
        if self.rest:
            data, self.rest = self.rest + data, b""
        elif not self._has_head:
            self._head.append(data)
        self._parse(data)
        if self._is_unreadable and not (self._has_head or self._is_lenient):
            self._read_leniently()
        if self._fault is not None:
            return self._cut_short(f"The target's answer {self._fault}.")
        if self._has_ended:
            return self._response()
        if self._has_head and self._head:
            self._head.clear()
        return None

    def feed_end(self, *, clean: bool = True) -> Response:
        """The same when the connection has ended, which may have been meant to end the body.

        Args:
            clean: Whether it was closed, and did not break.

        Raises:
            BadAnswer: When the answer has no status.
        """
        if self._has_head and clean and self._ends_with_connection():
            return self._response()
        if self.began:  # otherwise the same may be read from another connection
            self._fault = "broke off when the connection was closed"
        return self._cut_short("The target closed the connection before it had answered.")

    def on_message_begin(self) -> None:
        if self._has_ended:  # what follows the answer is none
            raise _Enough

    def on_status(self, reason: bytes) -> None:
        self._has_status = True
        if len(reason) > LONGEST_LINE:
            self._is_strange = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._has_status = True
        self._lines += 1
        if self._lines > MOST_HEADERS or len(name) + len(value) > LONGEST_LINE:
            self._is_strange = True
            if len(value) > LONGEST_LINE or name.lower() not in _ALWAYS_KEPT:
                return
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        if self._has_ended:
            return
        self._status = self._parser.get_status_code()
        if self._is_interim():
            return
        self._has_head = self._has_status = True
        if self._status == _SWITCHING_PROTOCOLS:
            self._refuse("is of another protocol than HTTP/1.1")
        self.keeps_alive = not (self._is_strange or self._is_lenient) and (
            self._parser.should_keep_alive()
        )
        self._has_ended = not self._has_body

    def on_body(self, body: bytes) -> None:
        if self._has_ended:
            raise _Enough
        self._pieces += 1
        self._beside_body -= len(body) + _PLAIN_CHUNK_BYTES
        if (room := EXCERPT_BYTES - len(self._body)) > 0:
            self._body += body[:room]

    def on_message_complete(self) -> None:
        if not self._is_interim():
            self._has_ended = True
            return
        self._headers.clear()
        self._has_status = False
        self._interim += 1
        if self._interim > MOST_INTERIM:
            self._refuse("comes after too many others")

    def _parse(self, data: bytes) -> None:
        self._pieces = 0
        self._last = len(data)
        if self._last <= _STEP_BYTES:
            self._parse_step(data)
            return
        for at in range(0, len(data), _STEP_BYTES):
            if self._has_ended or self._fault is not None:
                self.keeps_alive = False
                return
            if self._pieces > MOST_PIECES:
                self._last = at
                self.rest = data[at:]
                return
            self._parse_step(data[at : at + _STEP_BYTES])

    def _parse_step(self, data: bytes) -> None:
        self._size += len(data)
        self._beside_body += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.keeps_alive = False
            if not self._has_ended and self._fault is None:
                self._is_unreadable = True
                self._fault = f"is no HTTP/1.1: {error}"
        if self._has_ended or self._fault is not None:
            return
        if self._beside_body > MOST_BYTES_BESIDE_BODY:
            self._fault = "has too much that is no body"
        elif self._size > MOST_BYTES:
            self._is_large = True
            self._fault = f"is longer than {MOST_BYTES // 2**20} MiB"

    def _read_leniently(self) -> None:
        self._is_lenient = True
        self._start()
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_chunked_length=True, lenient_optional_cr_before_lf=True
        )
        for data in self._head:
            self._parse(data)

    def _refuse(self, fault: str) -> None:
        self._fault = fault
        raise _Enough

    def _is_interim(self) -> bool:
        return not self._has_head and self._status < 200 and self._status != _SWITCHING_PROTOCOLS

    def _ends_with_connection(self) -> bool:
        """Whether the head leaves it to the connection's end to end the body (RFC 9112, 6.3)."""
        encoding = self._headers.get("transfer-encoding")
        if encoding is None:
            return "content-length" not in self._headers
        return encoding.rpartition(",")[2].strip().lower() != "chunked"

    def _cut_short(self, unknown: str) -> Response:
        self.keeps_alive = False
        begun = self.begun
        if begun is None:
            raise BadAnswer(unknown)
        return begun

    def _response(self) -> Response:
        if not self._has_ended:
            self.keeps_alive = False
        return Response(self._status, self._headers, bytes(self._body))
