"""A target's URL is asked for as it is stored: signatures are made over bytes."""

from __future__ import annotations

import pytest

from tests.workers.http_server import OK, raw_target
from tests.workers.targets.test_transport import ring, ringing
from workers.targets.http.address import address_of

SIGNED = "/a%2Fb;c=%3b/../%7Euser//?sig=a%2Fb%2b%3D&t=00%3A00&q=a+b%20c&e=%c3%a4&x='(*)!|\"&&="


@pytest.mark.parametrize(
    ("rest", "asked"),
    [
        (SIGNED, SIGNED),
        ("", "/"),
        ("/", "/"),
        ("?", "/?"),
        ("/a?", "/a?"),
        ("/a??b?c", "/a??b?c"),
        ("?a=%2F", "/?a=%2F"),
        ("//a//", "//a//"),
        ("/./a/../b/.", "/./a/../b/."),
        ("/%2e%2E/%41%zz%", "/%2e%2E/%41%zz%"),
        ("/a?b#c?d", "/a?b"),
        ("#c", "/"),
        ("/a\\b^`{}<>[]", "/a\\b^`{}<>[]"),
        # No request has other characters than ASCII (RFC 3987, 3.1).
        ("/ä%2F?ö=\N{SNOWMAN}", "/%C3%A4%2F?%C3%B6=%E2%98%83"),
    ],
)
@pytest.mark.parametrize("origin", ["https://Example.com", "http://[::1]:8080"])
def test_what_follows_the_host_is_asked_for_as_it_stands(
    origin: str, rest: str, asked: str
) -> None:
    assert address_of(origin + rest).path == asked


def test_the_host_is_asked_for_as_everybody_reads_it() -> None:
    found = address_of("HTTPS://BÜCHER.example:443/")
    assert (found.secure, found.host, found.port) == (True, "xn--bcher-kva.example", 443)
    assert found.authority == "xn--bcher-kva.example"


async def test_a_target_and_a_proxy_get_it_byte_for_byte() -> None:
    async with raw_target(OK) as target, ringing() as direct:
        await ring(direct, f"http://127.0.0.1:{target.port}{SIGNED}")
    async with raw_target(OK) as proxy, ringing(proxy=f"http://127.0.0.1:{proxy.port}") as by_proxy:
        await ring(by_proxy, f"http://127.0.0.1:8080{SIGNED}")
    line = f"POST {SIGNED} HTTP/1.1\r\n".encode()
    assert target.heads[0].startswith(line)
    assert proxy.heads[0].startswith(line.replace(b" /", b" http://127.0.0.1:8080/", 1))
