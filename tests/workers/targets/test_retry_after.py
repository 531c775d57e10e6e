"""`Retry-After` (RFC 9110, 10.2.3): seconds, or a date in one of three forms, always in GMT."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from workers.targets.kinds.http import LONGEST_RETRY_AFTER, retry_after

NOW = datetime(2026, 11, 6, 8, 49, 37, tzinfo=UTC)
SOON = timedelta(seconds=90)


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def worker_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone that a worker's process is set to, which is nothing to a date in GMT."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        # 5.6.7: IMF-fixdate, RFC 850, asctime.
        ("Fri, 06 Nov 2026 08:51:07 GMT", SOON),
        ("Friday, 06-Nov-26 08:51:07 GMT", SOON),
        ("Fri Nov  6 08:51:07 2026", SOON),
        ("  Fri Nov  6 08:51:07 2026 ", SOON),
        ("Fri, 06 Nov 2026 08:51:07 -0000", SOON),
        ("Fri, 06 Nov 2026 08:51:07 +0000", SOON),
        ("Fri, 06 Nov 2026 08:51:07", SOON),
        ("Sun Nov  6 08:49:37 1994", timedelta(0)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", timedelta(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("120", timedelta(seconds=120)),
        ("0", timedelta(0)),
        ("000", timedelta(0)),
        ("00000000000120", timedelta(seconds=120)),
        ("0" * 4_000 + "7", timedelta(seconds=7)),
        ("31622400", LONGEST_RETRY_AFTER),
        ("9" * 9, LONGEST_RETRY_AFTER),
        ("1" + "0" * 4_000, LONGEST_RETRY_AFTER),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Fri, 06 Nov 2026", None),
        ("Fri, 99 Nov 2026 08:51:07 GMT", None),
        ("Fri, 06 Nov 99999 08:51:07 GMT", None),
    ],
)
def test_how_long_a_target_asks_to_be_left_alone(
    worker_zone: str, header: str, asked: timedelta | None
):
    assert retry_after(header, NOW) == asked
