"""What a target must look like, and which state of a job its service sees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Invalid, within
from domain.jobs.job import JobState, visible_state
from domain.targets import Allowed, check_target
from domain.targets.kinds.http import HttpTarget

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/run?x=1#part",
        "http://127.0.0.1:9000/",
        "http://[::1]:9000/run",
        "https://münchen.example/läuft",
    ],
)
def test_an_absolute_url_is_accepted(url: str):
    check_target(HttpTarget(url=url), Allowed())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/run",
        "/run",
        "//example.com/run",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "http:///run",
        "https://example.com:port",
        "https://example.com:99999",
        "https://example.com/a b",
        "https://example.com/\r\nX-Injected: 1",
        " https://example.com",
        "https://user:secret@example.com",
        "https://user@example.com",
        "https://:secret@example.com",
    ],
)
def test_a_url_that_could_never_be_rung_is_refused(url: str):
    with pytest.raises(Invalid) as refusal:
        check_target(HttpTarget(url=url), Allowed())
    assert refusal.value.pointer == "/url"


@pytest.mark.parametrize(
    "name",
    [
        "Webhook-Signature",
        "webhook-id",
        "TOCSIN-attempt",
        "traceparent",
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Proxy-Authorization",
    ],
)
def test_a_header_that_tocsin_sets_is_refused(name: str):
    with pytest.raises(Invalid, match="set by Tocsin") as refusal:
        check_target(HttpTarget(url="https://example.com", headers={name: "x"}), Allowed())
    assert refusal.value.pointer == f"/headers/{name}"


@pytest.mark.parametrize(
    ("name", "value", "pointer"),
    [
        ("X Y", "x", "/headers/X Y"),
        ("", "x", "/headers/"),
        ("X:", "x", "/headers/X:"),
        ("a/b~c", "x", "/headers/a~1b~0c"),
        ("X" * 129, "x", "/headers/" + "X" * 129),
        ("X-Kind", "a\r\nX-Injected: 1", "/headers/X-Kind"),
        ("X-Kind", "naïve", "/headers/X-Kind"),
        ("X-Kind", "x" * 4_097, "/headers/X-Kind"),
    ],
)
def test_a_header_that_http_cannot_carry_is_refused(name: str, value: str, pointer: str):
    with pytest.raises(Invalid) as refusal:
        check_target(HttpTarget(url="https://example.com", headers={name: value}), Allowed())
    assert refusal.value.pointer == pointer


def test_the_longest_headers_are_accepted():
    headers = {"X" * 128: "x" * 4_096, "X-Empty": "", "X-Tab": "a\tb", "Authorization": "Bearer x"}
    check_target(HttpTarget(url="https://example.com", headers=headers), Allowed())


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(0.9, False), (1, True), (1_800, True), (1_800.1, False)]
)
def test_a_timeout_lies_between_a_second_and_half_an_hour(seconds: float, accepted: bool):
    target = HttpTarget(url="https://example.com", timeout=timedelta(seconds=seconds))
    if accepted:
        check_target(target, Allowed())
    else:
        with pytest.raises(Invalid) as refusal:
            check_target(target, Allowed())
        assert refusal.value.pointer == "/timeout"


def test_a_refusal_inside_an_object_points_below_it():
    with pytest.raises(Invalid) as refusal, within("/target"):
        check_target(HttpTarget(url=""), Allowed())
    assert refusal.value.pointer == "/target/url"


@pytest.mark.parametrize(
    ("claimed_for", "next_fire_for", "state", "next_fire_at"),
    [
        ([], NOON + 9 * SECOND, JobState.ACTIVE, NOON + 9 * SECOND),
        ([NOON + SECOND], NOON + 9 * SECOND, JobState.ACTIVE, NOON + SECOND),
        ([NOON - SECOND, NOON + SECOND], None, JobState.ACTIVE, NOON + SECOND),
        ([NOON - SECOND, NOON], NOON + 9 * SECOND, JobState.ACTIVE, NOON + 9 * SECOND),
        ([NOON - SECOND, NOON], None, JobState.COMPLETED, None),
        ([], None, JobState.COMPLETED, None),
    ],
)
def test_a_claimed_fire_time_is_still_to_come_for_a_reader(
    claimed_for, next_fire_for, state, next_fire_at
):
    seen = visible_state(
        paused=False, next_fire_for=next_fire_for, claimed_for=claimed_for, now=NOON
    )
    assert seen == (state, next_fire_at)


def test_a_paused_job_has_no_next_fire_time():
    seen = visible_state(
        paused=True, next_fire_for=NOON + SECOND, claimed_for=[NOON + SECOND], now=NOON
    )
    assert seen == (JobState.PAUSED, None)
