"""A value that breaks a rule is refused with a pointer to it."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from tests.api.problems import wrong_values

PointersTo = Callable[[str, str], str]
HUGE = ["1e400", "-1e400", "9" * 400, "-" + "9" * 400, "9" * 30]
HEADERS = "/target/headers"


@pytest.mark.promise("unknown fields")
@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("name", '""', "/name"),
        ("name", '"' + "x" * 201 + '"', "/name"),
        ("name", r'"a\u0000b"', "/name"),
        ("name", "5", "/name"),
        ("name", "null", "/name"),
        ("description", r'"\u0000"', "/description"),
        ("description", '"' + "x" * 2_001 + '"', "/description"),
        ("description", "[]", "/description"),
        ("tags", '"a"', "/tags"),
        ("tags", '{"0": "a"}', "/tags"),
        ("tags", '["a", 5]', "/tags/1"),
        ("tags", '["a", "b", ["c"]]', "/tags/2"),
        ("tags", '["a", ""]', "/tags/1"),
        ("tags", r'["\u0000"]', "/tags/0"),
        ("tags", '["' + "x" * 65 + '"]', "/tags/0"),
        ("tags", "[" + ", ".join(['"a"'] * 21) + "]", "/tags"),
        ("nope", "1", "/nope"),
        ("id", '"x"', "/id"),
        ("state", '"paused"', "/state"),
        ("a/b~c", "1", "/a~1b~0c"),
        ("a.b[0]", "1", "/a.b[0]"),
    ],
)
def test_a_wrong_field(pointers_to: PointersTo, field: str, value: str, pointer: str) -> None:
    assert pointers_to(field, value) == pointer


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "/run",
        "//host/run",
        "ftp://host/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http:",
        "http://",
        "http:///run",
        "http://?a=b",
        "http://user:secret@host/",
        "http://user@host/",
        "http://:@host/",
        "http://host/a b",
        " http://host/",
        r"http://host/\r\nX-Evil: 1",
        r"http://host/\n",
        r"http://host/\u0000",
        r"http://host\u007f/",
        "http://host:0/",
        "http://host:99999/",
        "http://host:-1/",
        "http://host:port/",
        "http://127.0.0.1:80:80/",
        "http://[::1/",
        "http://]/",
        "http://[zz]/",
        "http://[::1]x/",
        "http://xn--/",
        "http://exa\u00admple/",
        r"http://host\u2028/",
        r"http:\\\\host\\run",
        "http://h/" + "x" * 2_048,
    ],
)
def test_a_wrong_url(pointers_to: PointersTo, url: str) -> None:
    assert pointers_to("target", f'{{"type": "http", "url": "{url}"}}') == "/target/url"


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ('"method": "BREW"', "/target/method"),
        ('"method": "post"', "/target/method"),
        ('"nope": 1', "/target/nope"),
        ('"timeout": 0', "/target/timeout"),
        ('"timeout": 0.999', "/target/timeout"),
        ('"timeout": -1', "/target/timeout"),
        ('"timeout": "PT30M0.000001S"', "/target/timeout"),
        ('"timeout": "soon"', "/target/timeout"),
        ('"headers": []', HEADERS),
        ('"headers": {"a": 5}', f"{HEADERS}/a"),
        ('"headers": {"a": null}', f"{HEADERS}/a"),
        ('"headers": {' + ", ".join(f'"h{n}": ""' for n in range(51)) + "}", HEADERS),
        *(
            (f'"headers": {{"{name}": "x"}}', f"{HEADERS}/{name}")
            for name in (
                "Host",
                "webhook-id",
                "Webhook-Signature",
                "TOCSIN-Attempt",
                "traceparent",
                "Content-Length",
                "Transfer-Encoding",
                "Connection",
                "TE",
                "Upgrade",
                "Expect",
                "Proxy-Authorization",
            )
        ),
        (r'"headers": {"a": "b\r\nc: d"}', f"{HEADERS}/a"),
        (r'"headers": {"a": "b\n"}', f"{HEADERS}/a"),
        (r'"headers": {"a": "\u0000"}', f"{HEADERS}/a"),
        ('"headers": {"a": "é"}', f"{HEADERS}/a"),
        ('"headers": {"a": "' + "x" * 4_097 + '"}', f"{HEADERS}/a"),
        (r'"headers": {"a\r\nb": "c"}', f"{HEADERS}/a\r\nb"),
        (r'"headers": {"a\u0000": "c"}', f"{HEADERS}/a\0"),
        ('"headers": {"a b": "c"}', f"{HEADERS}/a b"),
        ('"headers": {"a/b~c": "c"}', f"{HEADERS}/a~1b~0c"),
        ('"headers": {"": "c"}', f"{HEADERS}/"),
        ('"headers": {"é": "c"}', f"{HEADERS}/é"),
    ],
)
def test_a_wrong_target(pointers_to: PointersTo, more: str, pointer: str) -> None:
    assert pointers_to("target", f'{{"type": "http", "url": "http://h/", {more}}}') == pointer


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("null", ""),
        ('"http://h/"', ""),
        ("{}", "/type"),
        ('{"type": "http"}', "/url"),
        ('{"type": "smoke", "url": "http://h/"}', "/type"),
        ('{"type": 5, "url": "http://h/"}', "/type"),
        ('{"type": "http", "url": 5}', "/url"),
    ],
)
def test_no_target(pointers_to: PointersTo, value: str, pointer: str) -> None:
    assert pointers_to("target", value) == "/target" + pointer


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("null", ""),
        ("5", ""),
        ('{"attempts": 5}', "/attempts"),
        ('{"max_attempts": 0}', "/max_attempts"),
        ('{"max_attempts": -1}', "/max_attempts"),
        ('{"max_attempts": 101}', "/max_attempts"),
        ('{"max_attempts": 1.5}', "/max_attempts"),
        ('{"max_attempts": "5"}', "/max_attempts"),
        ('{"max_attempts": true}', "/max_attempts"),
        ('{"min_backoff": -1}', "/min_backoff"),
        ('{"min_backoff": "PT24H1S", "max_backoff": "PT24H1S"}', "/min_backoff"),
        ('{"min_backoff": 10, "max_backoff": 9}', "/max_backoff"),
        ('{"max_backoff": "PT24H1S"}', "/max_backoff"),
        ('{"max_backoff": 4.9}', "/max_backoff"),
        ('{"multiplier": 0.99}', "/multiplier"),
        ('{"multiplier": 100.01}', "/multiplier"),
        ('{"multiplier": -2}', "/multiplier"),
        ('{"jitter": 1}', "/jitter"),
        ('{"jitter": "true"}', "/jitter"),
    ],
)
def test_a_wrong_retry_policy(pointers_to: PointersTo, value: str, pointer: str) -> None:
    assert pointers_to("retry", value) == "/retry" + pointer


@pytest.mark.parametrize("number", HUGE, ids=lambda number: f"{number[:6]}, {len(number)} long")
@pytest.mark.parametrize(
    ("field", "inner", "rest"),
    [
        ("schedule", "after", ""),
        ("schedule", "every", ""),
        ("target", "timeout", ', "type": "http", "url": "http://h/"'),
        ("retry", "max_attempts", ""),
        ("retry", "min_backoff", ""),
        ("retry", "max_backoff", ""),
        ("retry", "multiplier", ""),
    ],
)
def test_a_number_beyond_all_bounds(
    pointers_to: PointersTo, field: str, inner: str, rest: str, number: str
) -> None:
    assert pointers_to(field, f'{{"{inner}": {number}{rest}}}') == f"/{field}/{inner}"


def test_a_new_job_needs_a_schedule_and_a_target(api: httpx.Client) -> None:
    assert wrong_values(api.post("/jobs", json={})) == ["/schedule", "/target"]
    assert wrong_values(api.post("/jobs", json={"schedule": {"after": 1}})) == ["/target"]
