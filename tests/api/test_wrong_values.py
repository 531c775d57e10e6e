"""A value that breaks a rule is refused with a pointer to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.problems import wrong_values

Store = Callable[..., Any]
HUGE = ["1e400", "-1e400", "9" * 400, "-" + "9" * 400, "9" * 30]
HEADERS = "/target/headers"


def put(api: httpx.Client, store: Store, field: str, value: str) -> list[httpx.Response]:
    """Send a job whose `field` is `value`, in JSON: as a new job, and as a change of one."""
    good = {"schedule": '{"after": "P30D"}', "target": '{"type": "http", "url": "http://h/"}'}
    headers = {"content-type": "application/json"}
    body = ", ".join(f'"{name}": {text}' for name, text in {**good, field: value}.items())
    changes = f'{{"{field}": {value}}}'
    job = store()
    answers = [
        api.post("/jobs", content=f"{{{body}}}", headers=headers),
        api.patch(f"/jobs/{job['id']}", content=changes, headers=headers),
    ]
    assert api.get(f"/jobs/{job['id']}").json() == job
    return answers


def check(api: httpx.Client, store: Store, field: str, value: str, pointer: str) -> None:
    """Whether both answers point at what is wrong."""
    for answer in put(api, store, field, value):
        assert wrong_values(answer) == [pointer]


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
def test_a_wrong_field(
    api: httpx.Client, store: Store, field: str, value: str, pointer: str
) -> None:
    check(api, store, field, value, pointer)


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("null", ""),
        ("[]", ""),
        ("{}", ""),
        ('{"timezone": "UTC"}', ""),
        ('{"after": 1, "every": 1}', ""),
        ('{"at": "2099-01-01T00:00:00Z", "cron": "* * * * *"}', ""),
        ('{"whenever": 1}', "/whenever"),
        ('{"after": 1, "x/y": 1}', "/x~1y"),
        ('{"cron": "* * * *"}', "/cron"),
        ('{"cron": ""}', "/cron"),
        ('{"cron": 5}', "/cron"),
        ('{"cron": "60 * * * *"}', "/cron"),
        ('{"cron": "*/0 * * * *"}', "/cron"),
        ('{"cron": "5-1 * * * *"}', "/cron"),
        ('{"cron": "1-99999999999999999999 * * * *"}', "/cron"),
        ('{"cron": "٣ * * * *"}', "/cron"),
        (r'{"cron": "\u0000 * * * *"}', "/cron"),
        ('{"cron": "@never"}', "/cron"),
        ('{"cron": "' + "0," * 200 + '0 * * * *"}', "/cron"),
        # Never fires: 30 February, 31 April.
        ('{"cron": "0 0 30 2 *"}', "/cron"),
        ('{"cron": "0 0 31 2,4 *"}', "/cron"),
        ('{"after": -1}', "/after"),
        ('{"after": "-PT1S"}', "/after"),
        ('{"after": "P3661D"}', "/after"),
        ('{"after": "P999999999D"}', "/after"),
        ('{"after": "P99999999999D"}', "/after"),
        ('{"after": 1e300}', "/after"),
        ('{"after": "5"}', "/after"),
        ('{"after": "P1Y"}', "/after"),
        ('{"after": ""}', "/after"),
        ('{"after": true}', "/after"),
        ('{"after": null}', "/after"),
        ('{"after": {"seconds": 5}}', "/after"),
        ('{"every": 0}', "/every"),
        ('{"every": -5}', "/every"),
        ('{"every": 0.999}', "/every"),
        ('{"every": "PT0.999999S"}', "/every"),
        ('{"every": "P3650000D"}', "/every"),
        ('{"every": "P999999999D"}', "/every"),
        ('{"at": "2001-01-01T00:00:00Z"}', "/at"),
        ('{"at": "0001-01-01T00:00:00", "timezone": "Asia/Tokyo"}', "/at"),
        ('{"at": "9999-12-31T23:59:59", "timezone": "America/New_York"}', "/at"),
        ('{"at": "9999-12-31T23:59:59-14:00"}', "/at"),
        ('{"at": "10000-01-01T00:00:00Z"}', "/at"),
        ('{"at": "2099-02-30T00:00:00Z"}', "/at"),
        ('{"at": "2099-01-01T00:00:00+25:00"}', "/at"),
        ('{"at": "2099-01-01"}', "/at"),
        ('{"at": "tomorrow"}', "/at"),
        ('{"at": 4070908800}', "/at"),
    ],
)
def test_a_wrong_schedule(api: httpx.Client, store: Store, value: str, pointer: str) -> None:
    check(api, store, "schedule", value, "/schedule" + pointer)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Nope",
        "Nope/Nowhere",
        "Europe",
        "europe/london",
        "+01:00",
        "../etc/passwd",
        "/etc/passwd",
        "Europe/../../../../etc/passwd",
        "./UTC",
        "C:/x",
        "tzdata.zi",
        "zone.tab",
        "a" * 65,
        "a" * 100_000,
        r"UTC\u0000",
        r"\u0000",
        "é",
        " UTC",
    ],
)
def test_a_wrong_time_zone(api: httpx.Client, store: Store, name: str) -> None:
    value = f'{{"cron": "* * * * *", "timezone": "{name}"}}'
    check(api, store, "schedule", value, "/schedule/timezone")


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
def test_a_wrong_url(api: httpx.Client, store: Store, url: str) -> None:
    check(api, store, "target", f'{{"type": "http", "url": "{url}"}}', "/target/url")


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
        ('"headers": {"a": 5}', HEADERS),
        ('"headers": {"a": null}', HEADERS),
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
def test_a_wrong_target(api: httpx.Client, store: Store, more: str, pointer: str) -> None:
    check(api, store, "target", f'{{"type": "http", "url": "http://h/", {more}}}', pointer)


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("null", ""),
        ('"http://h/"', ""),
        ("{}", "/url"),
        ('{"type": "http"}', "/url"),
        ('{"type": "smoke", "url": "http://h/"}', "/type"),
        ('{"type": 5, "url": "http://h/"}', "/type"),
        ('{"type": "http", "url": 5}', "/url"),
    ],
)
def test_no_target(api: httpx.Client, store: Store, value: str, pointer: str) -> None:
    check(api, store, "target", value, "/target" + pointer)


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
def test_a_wrong_retry_policy(api: httpx.Client, store: Store, value: str, pointer: str) -> None:
    check(api, store, "retry", value, "/retry" + pointer)


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
    api: httpx.Client, store: Store, field: str, inner: str, rest: str, number: str
) -> None:
    check(api, store, field, f'{{"{inner}": {number}{rest}}}', f"/{field}/{inner}")


def test_a_new_job_needs_a_schedule_and_a_target(api: httpx.Client) -> None:
    assert wrong_values(api.post("/jobs", json={})) == ["/schedule"]
    assert wrong_values(api.post("/jobs", json={"schedule": {"after": 1}})) == ["/target"]
