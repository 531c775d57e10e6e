"""A schedule that breaks a rule or never fires is refused with a pointer to what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PointersTo = Callable[[str, str], str]


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
def test_a_wrong_schedule(pointers_to: PointersTo, value: str, pointer: str) -> None:
    assert pointers_to("schedule", value) == "/schedule" + pointer


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
def test_a_wrong_time_zone(pointers_to: PointersTo, name: str) -> None:
    value = f'{{"cron": "* * * * *", "timezone": "{name}"}}'
    assert pointers_to("schedule", value) == "/schedule/timezone"
