"""Whatever comes over a socket is answered within bounds, or not at all; tried on raw sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import httpx
import pytest

from storage.urls import ShardUrls
from tests.api.problems import problem
from tests.processes import NO_TLS, System, wait_until
from tests.reads.api_processes import api_processes

SECONDS = 15.0
LIVE = b"GET /health/live HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(
    system: System, urls: ShardUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of an API that waits for nobody for long, and has room for few."""
    with api_processes(urls, tmp_path_factory.mktemp("hasty"), count=1, without="patience") as (
        url,
    ):
        yield url


def connected(url: str) -> socket.socket:
    place = urlsplit(url)
    made = socket.create_connection((place.hostname, place.port), timeout=SECONDS)
    made.settimeout(SECONDS)
    return made


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side ends."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def answers_to(url: str, *sent: bytes) -> list[httpx.Response]:
    """All answers until the server closes."""
    with closing(connected(url)) as connection:
        try:
            for part in sent:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return parsed(all_of(connection))


def parsed(data: bytes) -> list[httpx.Response]:
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = [tuple(line.split(b": ", 1)) for line in lines]
        length = int(dict(headers).get(b"content-length", b"0"))
        found.append(httpx.Response(int(status.split()[1]), headers=headers, content=rest[:length]))
        data = rest[length:]
    return found


def the_answer_to(url: str, *sent: bytes) -> httpx.Response:
    (answer,) = answers_to(url, *sent)
    return answer


def refused(answer: httpx.Response, status: int) -> None:
    problem(answer, status)
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-request-id"]


def closing_get(*headers: bytes, path: bytes = b"/health/live") -> bytes:
    lines = (b"GET %b HTTP/1.1" % path, b"Host: h", b"Connection: close", *headers, b"", b"")
    return b"\r\n".join(lines)


MALFORMED = {
    "no HTTP at all": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "content-length and transfer-encoding": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two content-lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "the same content-length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of content-lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "negative content-length": POST + b"Content-Length: -1\r\n\r\n",
    "signed content-length": POST + b"Content-Length: +2\r\n\r\n{}",
    "content-length that is no number": POST + b"Content-Length: two\r\n\r\n{}",
    "content-length that overflows": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "an unknown transfer-encoding last": POST + b"Transfer-Encoding: chunked, x\r\n\r\n",
    "a bad chunk length": POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    "a chunk that is longer than it says": POST
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "NUL in a header": LIVE + b"X-A: a\0b\r\n\r\n",
    "a bare CR in a header": LIVE + b"X-A: a\rb\r\n\r\n",
    "a bare LF behind the request line": b"GET /health/live HTTP/1.1\nHost: h\n\n",
    "a bare LF behind a header": b"GET /health/live HTTP/1.1\r\nHost: h\nX-A: b\r\n\r\n",
    "a folded header": LIVE + b"X-A: a\r\n b\r\n\r\n",
    "a blank before the colon": LIVE + b"X-A : a\r\n\r\n",
    "a header without a name": LIVE + b": a\r\n\r\n",
    "a blank in the address": b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n",
    "NUL in the address": b"GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
    "a byte beyond ASCII in the address": b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
    "CONNECT": b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method of none": b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_request_is_400_and_ends_the_connection(system: System, sent: bytes) -> None:
    # What follows is none either: it may have been smuggled in.
    first, *others = answers_to(system.url, sent + LIVE + b"\r\n")
    refused(first, 400)
    assert others == []


def test_the_absolute_form_is_the_address(system: System) -> None:
    assert the_answer_to(system.url, closing_get(path=b"http://h/health/live")).status_code == 200


def test_an_address_of_8_kib_is_read_and_one_byte_more_is_414(system: System) -> None:
    path = b"/health/live?" + b"x" * (8 * 1024 - len(b"/health/live?"))
    assert the_answer_to(system.url, closing_get(path=path)).status_code == 200
    refused(the_answer_to(system.url, closing_get(path=path + b"x")), 414)
    refused(the_answer_to(system.url, b"GET /" + b"x" * 1_000_000), 414)


def test_headers_of_32_kib_are_read_and_more_are_431(system: System) -> None:
    def with_header(size: int) -> bytes:
        rest = sum(map(len, (b"Host", b"h", b"Connection", b"close", b"X-Long")))
        return closing_get(b"X-Long: " + b"x" * (size - rest))

    assert the_answer_to(system.url, with_header(32 * 1024)).status_code == 200
    refused(the_answer_to(system.url, with_header(32 * 1024 + 1)), 431)
    refused(the_answer_to(system.url, with_header(1_000_000)), 431)
    refused(the_answer_to(system.url, LIVE + b"X-Long: " + b"x" * 1_000_000), 431)


def test_100_headers_are_read_and_more_are_431(system: System) -> None:
    def with_headers(count: int) -> bytes:
        return closing_get(*(b"X-%d: x" % number for number in range(count - 2)))

    assert the_answer_to(system.url, with_headers(100)).status_code == 200
    refused(the_answer_to(system.url, with_headers(101)), 431)
    refused(the_answer_to(system.url, with_headers(20_000)), 431)


def test_what_is_refused_takes_what_came_with_it_along(system: System) -> None:
    answers = answers_to(system.url, closing_get(path=b"/" + b"x" * 9_000) + LIVE + b"\r\n")
    refused(answers[0], 414)
    assert len(answers) == 1


def test_a_request_behind_another_is_answered_in_its_turn(system: System) -> None:
    first, second = answers_to(system.url, LIVE + b"\r\n" + closing_get(path=b"/nope"))
    assert (first.status_code, second.status_code) == (200, 404)


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"


def test_an_upgrade_is_not_taken_and_no_body_is_lost_over_it(system: System) -> None:
    asking = {"Connection": "Upgrade", "Upgrade": "h2c"}
    with httpx.Client(base_url=system.url) as client:
        statuses = [client.get("/health/live", headers=asking).status_code for _ in range(3)]
    assert statuses == [200, 200, 200]
    # The body would be read as a request.
    hidden = LIVE + b"\r\n"
    for framing in (
        b"Content-Length: %d\r\n\r\n" % len(hidden),
        b"Transfer-Encoding: chunked\r\n\r\n",
    ):
        answer = the_answer_to(system.url, POST + UPGRADE + framing, hidden)
        refused(answer, 400)
        assert "upgrade" in answer.json()["detail"]


def test_trailers_are_no_headers(system: System, api: httpx.Client) -> None:
    key = api.headers["authorization"].encode()
    body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n"
    answer = the_answer_to(system.url, POST + body + b"Authorization: %b\r\n\r\n" % key)
    problem(answer, 401)


SLOW_HEADS = {
    "nothing at all": b"",
    "half a request line": b"GET /hea",
    "a head without end": LIVE,
    "empty lines": b"\r\n\r\n",
}


@pytest.mark.parametrize("sent", SLOW_HEADS.values(), ids=SLOW_HEADS)
@pytest.mark.parametrize("before", [b"", LIVE + b"\r\n"], ids=["at first", "later"])
def test_who_does_not_come_to_the_end_of_a_head_is_cut_off(
    hasty: str, before: bytes, sent: bytes
) -> None:
    answers = answers_to(hasty, before + sent)
    if before:
        assert answers.pop(0).status_code == 200
    if sent.strip():
        refused(answers.pop(), 408)
    assert answers == []


def test_drops_of_a_head_do_not_make_time(hasty: str) -> None:
    with closing(connected(hasty)) as connection:
        connection.sendall(LIVE)
        answer = dripped(connection, b"X-A: a\r\n")
    refused(answer, 408)


def test_drops_of_a_body_do_not_make_time(hasty: str, api: httpx.Client) -> None:
    key = b"Authorization: %b\r\n" % api.headers["authorization"].encode()
    for framing, drop in (
        (b"Content-Length: 9000", b" "),
        (b"Transfer-Encoding: chunked", b"1\r\n \r\n"),
    ):
        with closing(connected(hasty)) as connection:
            connection.sendall(POST + key + framing + b"\r\n\r\n")
            answer = dripped(connection, drop)
        refused(answer, 408)


def test_who_was_answered_early_does_not_drip_on(hasty: str) -> None:
    with closing(connected(hasty)) as connection:
        connection.sendall(POST + b"Content-Length: 9000\r\n\r\n")
        problem(dripped(connection, b" "), 401)


def dripped(connection: socket.socket, drop: bytes) -> httpx.Response:
    """Send drops until the server ends it; returns what it answered."""
    received = bytearray()
    connection.settimeout(0.05)

    def has_ended() -> bool:
        try:
            connection.sendall(drop)
            part = connection.recv(65_536)
        except TimeoutError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            return True
        received.extend(part)
        return not part

    wait_until(has_ended, what="the server ends it")
    (answer,) = parsed(bytes(received))
    return answer


def test_a_body_that_does_not_end_is_not_read_for_ever(system: System) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with closing(connected(system.url)) as connection:
        connection.sendall(head)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(chunk * 2_000)


def test_who_does_not_read_is_cut_off_and_makes_room(hasty: str) -> None:
    path = "/docs/assets/swagger-ui-bundle.js"
    count, size = 8, len(httpx.get(hasty + path).content)
    with ExitStack() as stack:
        deaf = [stack.enter_context(closing(connected(hasty))) for _ in range(20)]
        for connection in deaf:
            connection.sendall(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path.encode() * count)
        # There is room for 20, so one of them was ended.
        wait_until(lambda: is_live(hasty), what="there is room")
        assert any(len(all_of(connection)) < count * size for connection in deaf)


def test_connections_beyond_the_bound_are_503_until_others_end(hasty: str) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(closing(connected(hasty))) for _ in range(40)]
        over = [connection for connection in taken if is_refused(connection)]
        assert over
    wait_until(lambda: is_live(hasty), what="there is room")


def is_live(url: str) -> bool:
    return httpx.get(f"{url}/health/live", verify=NO_TLS).status_code == 200


def is_refused(connection: socket.socket) -> bool:
    answers = parsed(all_of(connection))
    for answer in answers:
        refused(answer, 503)
        assert int(answer.headers["retry-after"]) >= 1
    return bool(answers)
