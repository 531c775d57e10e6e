"""Reads one HTTP/1.1 answer from a connection, within bounds."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

EXCERPT_BYTES = 4_096
"""At most 4 KiB of an answer's body are kept."""
MOST_BYTES = 16 * 2**20
"""At most 16 MiB of an answer are read; of its body, what exceeds the excerpt is discarded."""
LONGEST_LINE = 8_192
"""The longest header that is kept."""
MOST_HEADERS = 128
"""Headers of an answer that are kept."""
MOST_BYTES_BESIDE_BODY = 128 * 1024
"""Bytes of heads, of sizes and extensions of chunks, and of trailers, together."""
MOST_INTERIM = 32
"""Answers with 1xx that may come before the final one."""
MOST_PIECES = EXCERPT_BYTES
"""About so many chunks of a body are read at once; the rest is read in a later step."""
BYTES_OF_A_PIECE = 512
"""Reading a chunk costs as much CPU as reading 512 bytes."""
_PLAIN_CHUNK_BYTES = 6
"""Of a chunk's size and line ends, 6 bytes do not count as bytes beside the body."""
_STEP_BYTES = 16 * 1024
"""The bounds are checked every 16 KiB; one read of the event loop may bring 256 KiB."""
_SWITCHING_PROTOCOLS = 101
# Without these, neither the end of the answer is known, nor when to ask again.
_ALWAYS_KEPT = {b"content-length", b"transfer-encoding", b"retry-after"}


class BadAnswer(OSError):
    """The answer has no status: the server does not speak HTTP/1.1, or sent too little."""


class _Enough(Exception):
    pass


class Response(Struct, frozen=True):
    """Attributes:
    headers: By their names in lower case; the first of those that came twice.
    excerpt: The beginning of the body.
    fault: Why the answer is incomplete, if it is: "broke off", for instance.
    is_broken: Whether the target is at fault.
    """

    status: int
    headers: dict[str, str]
    excerpt: bytes
    fault: str | None = None
    is_broken: bool = False


class Reading:
    """The state of one answer: the parser's callbacks change it, `feed` returns the result.

    If the strict parser refuses the head, a lenient one reads it again, since the target has done
    the work. The connection is not used again then.

    Args:
        has_body: Whether a body may follow the head; not after HEAD and CONNECT.

    Attributes:
        began: Whether a byte has come.
        rest: Bytes that the next call of `feed` reads first.
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
        """Whether further bytes of the body are discarded."""
        return len(self._body) >= EXCERPT_BYTES

    @property
    def work(self) -> int:
        """The work of the last read, in bytes."""
        return self._last + self._pieces * BYTES_OF_A_PIECE

    @property
    def begun(self) -> Response | None:
        """The part of an unfinished answer that has come, if it has a status."""
        status = self._status if self._has_head else self._parser.get_status_code()
        if not self._has_status or (status < 200 and status != _SWITCHING_PROTOCOLS):
            return None
        fault = self._fault or "did not end"
        return Response(status, self._headers, bytes(self._body), fault, not self._is_large)

    def feed(self, data: bytes) -> Response | None:
        """Read bytes; return the answer once it is complete, or known to stay incomplete.

        Raises:
            BadAnswer: When the answer has no status.
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
        """Return the answer after the end of the connection, which may be the end of the body.

        Args:
            clean: Whether the connection was closed, rather than broken.

        Raises:
            BadAnswer: When the answer has no status.
        """
        if self._has_head and clean and self._ends_with_connection():
            return self._response()
        if self.began:  # else the request may be sent again on another connection
            self._fault = "broke off when the connection was closed"
        return self._cut_short("The target closed the connection before it had answered.")

    def on_message_begin(self) -> None:
        if self._has_ended:  # further bytes are no part of the answer
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
        """Whether the end of the connection ends the body (RFC 9112, 6.3)."""
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
