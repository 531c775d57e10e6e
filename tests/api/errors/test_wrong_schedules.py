"""A schedule that breaks a rule or never fires is refused with a pointer to what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

PointersTo = Callable[[str, str], str]


@pytest.mark.promise("never fires")
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
        ('{"after": "5m"}', "/after"),
        ('{"at": "2099-03-08T02:30:00", "timezone": "America/New_York", "gap": "skip"}', "/at"),
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


CRON = '"cron": "0 3 * * *"'
RRULE = r"DTSTART:20260101T000000\nRRULE:FREQ="


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ('"specs": []', "/specs"),
        ('"specs": null', "/specs"),
        ('"specs": {}', "/specs"),
        ('"specs": [' + ", ".join(['{"every": 5}'] * 21) + "]", "/specs"),
        ('"specs": [{"every": 5}], "every": 5', ""),
        ('"specs": [{"every": 5}], "phase": 1', "/phase"),
        ('"specs": [{}]', "/specs/0"),
        ('"specs": [{"every": 5}, {"every": 5, "at": "2099-01-01T00:00:00Z"}]', "/specs/1"),
        ('"specs": [{"every": 5}, {"cron": "x"}]', "/specs/1/cron"),
        ('"specs": [{"every": 5}, {"every": 0}]', "/specs/1/every"),
        ('"specs": [{"every": 5, "timezone": "UTC"}]', "/specs/0/timezone"),
        ('"specs": [{"specs": []}]', "/specs/0/specs"),
        ('"specs": [{"at": "2001-01-01T00:00:00Z"}, {"cron": "0 0 30 2 *"}]', "/specs"),
        ('"every": 60, "phase": 60', "/phase"),
        ('"every": 60, "phase": -1', "/phase"),
        ('"every": 60, "phase": 1e300', "/phase"),
        (CRON + ', "phase": 1', "/phase"),
        ('"cron": "0 0 0 1 1 * 1999"', "/cron"),
        ('"cron": "0 0 0 1 1 * 9999"', "/cron"),
        ('"cron": "H(5-1) * * * *"', "/cron"),
        ('"cron": "0 0 * * MON#6"', "/cron"),
        (
            CRON + ', "start_at": "2099-01-02T00:00:00Z", "end_at": "2099-01-01T00:00:00Z"',
            "/end_at",
        ),
        (CRON + ', "end_at": "2001-01-01T00:00:00Z"', "/end_at"),
        (CRON + ', "start_at": "9998-12-31T23:59:59Z"', "/cron"),
        (CRON + ', "start_at": "9999-12-31T23:59:59-14:00"', "/start_at"),
        (CRON + ', "end_at": "0001-01-01T00:00:00+14:00"', "/end_at"),
        (CRON + ', "end_at": 5', "/end_at"),
        ('"at": "2099-01-01T00:00:00Z", "start_at": "2099-01-02T00:00:00Z"', "/at"),
        ('"after": "P3660D", "start_at": "9998-12-31T00:00:00Z"', "/after"),
        (CRON + ', "max_runs": 0', "/max_runs"),
        (CRON + ', "max_runs": -1', "/max_runs"),
        (CRON + ', "max_runs": 1.5', "/max_runs"),
        (CRON + ', "max_runs": 1000000001', "/max_runs"),
        (CRON + ', "max_runs": ' + "9" * 400, "/max_runs"),
        (CRON + ', "jitter": -1', "/jitter"),
        (CRON + ', "jitter": "P1DT1S"', "/jitter"),
        (CRON + ', "jitter": 1e400', "/jitter"),
        (CRON + ', "jitter": null', "/jitter"),
        (CRON + ', "gap": "jump"', "/gap"),
        (CRON + ', "fold": null', "/fold"),
        ('"rrule": ""', "/rrule"),
        ('"rrule": "FREQ=DAILY"', "/rrule"),
        ('"rrule": "' + "x" * 1_001 + '"', "/rrule"),
        ('"rrule": "' + r"\n" * 500 + '"', "/rrule"),
        (f'"rrule": "{RRULE}NEVER"', "/rrule"),
        (f'"rrule": "{RRULE}DAILY;COUNT=1001"', "/rrule"),
        (f'"rrule": "{RRULE}DAILY;INTERVAL=0"', "/rrule"),
        (f'"rrule": "{RRULE}DAILY;INTERVAL={"9" * 400}"', "/rrule"),
        (f'"rrule": "{RRULE}DAILY;UNTIL=20260102T000000Z"', "/rrule"),
        (f'"rrule": "{RRULE}YEARLY;BYMONTH=2;BYMONTHDAY=30"', "/rrule"),
        (f'"rrule": "{RRULE}SECONDLY;INTERVAL=60;BYSECOND=1"', "/rrule"),
        (f'"rrule": "{RRULE}MINUTELY;INTERVAL=1440;BYHOUR=5"', "/rrule"),
        (f'"rrule": "{RRULE}SECONDLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=3"', "/rrule"),
        (r'"rrule": "DTSTART;TZID=../etc:20260101T000000\nRRULE:FREQ=DAILY"', "/rrule"),
        (r'"rrule": "DTSTART:20260101T000000\u0000\nRRULE:FREQ=DAILY"', "/rrule"),
    ],
)
def test_a_wrong_spec_or_bound(pointers_to: PointersTo, value: str, pointer: str) -> None:
    assert pointers_to("schedule", f"{{{value}}}") == "/schedule" + pointer


@pytest.mark.parametrize(
    ("exclude", "pointer"),
    [
        ("null", ""),
        ("{}", ""),
        ("[" + ", ".join(['{"date": "2026-01-01"}'] * 101) + "]", ""),
        ('[{"calendar": "unknown"}]', "/0/calendar"),
        ('[{"date": "2026-01-01"}, {"calendar": "unknown"}]', "/1/calendar"),
        ('[{"from": "2026-01-02", "to": "2026-01-01"}]', "/0/to"),
        ('[{"from": "2026-01-02"}]', "/0"),
        ('[{"date": "2026-13-01"}]', "/0/date"),
        ('[{"after": 5}]', "/0/after"),
        ('[{"every": 1e-9}]', "/0/every"),
        ('[{"cron": "H(5-1) * * * *"}]', "/0/cron"),
        # All that fires is excluded.
        ('[{"cron": "* * * * *"}]', ""),
        ('[{"every": 1}]', ""),
        ('[{"cron": "H(0-0) 3 * * *"}]', ""),
        ('[{"from": "0001-01-01", "to": "9999-12-31"}]', ""),
    ],
)
def test_a_wrong_exclusion(pointers_to: PointersTo, exclude: str, pointer: str) -> None:
    value = f'{{{CRON}, "exclude": {exclude}}}'
    assert pointers_to("schedule", value) == "/schedule/exclude" + pointer


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
