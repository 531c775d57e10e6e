"""Durations as clients write them: ISO 8601, or seconds; a refusal shows how it is done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.durations import duration_of, written
from domain.errors import Invalid

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("value", "duration"),
    [
        ("PT30S", timedelta(seconds=30)),
        ("PT1.5M", timedelta(seconds=90)),
        ("P1DT2H", DAY + 2 * HOUR),
        ("pt5s", timedelta(seconds=5)),
        ("-PT5S", timedelta(seconds=-5)),
        # ISO 8601-1:2019, 5.5.2: weeks by themselves; ISO 8601-2: with other units, too.
        ("P1W", 7 * DAY),
        ("p2w", 14 * DAY),
        ("-P1W", -7 * DAY),
        ("P0W", timedelta(0)),
        ("P1W2D", 9 * DAY),
        ("P1WT12H", 7.5 * DAY),
        (5, timedelta(seconds=5)),
        (0.25, timedelta(milliseconds=250)),
    ],
)
def test_a_duration(value: str | float, duration: timedelta):
    assert duration_of(value, "/x") == duration


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("5m", 'write "PT5M"'),
        ("30s", 'write "PT30S"'),
        ("2 hours", 'write "PT2H"'),
        ("1day", 'write "P1D"'),
        ("1w", 'write "P1W"'),
        ("90", "a number of seconds without quotes"),
        ("P1M", 'days, as in "P30D"'),
        ("P1Y", 'days, as in "P30D"'),
        ("soon", 'such as "PT30S"'),
        ("", 'such as "PT30S"'),
        ("P1W1W", "out of range"),
        ("PT", "such as"),
        ("P1H", 'such as "PT30S"'),
        ("1h30m", 'such as "PT30S"'),
        ("PT5M\n", 'such as "PT30S"'),
        ("P٣W", 'such as "PT30S"'),
        ("x" * 10_000, "such as"),
        ("P99999999999D", "out of range"),
        ("P999999999W", "out of range"),
        ("P99999999999W", "out of range"),
        (1e300, "out of range"),
        (float("nan"), "out of range"),
    ],
)
def test_what_is_no_duration_is_answered_with_an_example(value: str | float, says: str):
    with pytest.raises(Invalid) as refused:
        duration_of(value, "/x")
    assert says in refused.value.detail
    assert refused.value.pointer == "/x"
    assert len(refused.value.detail) < 200


def test_a_default_is_written_as_it_is_answered():
    assert written(DAY) == "P1D"
    assert duration_of(written(DAY + HOUR), "") == DAY + HOUR
