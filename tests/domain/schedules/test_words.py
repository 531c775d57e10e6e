"""Durations, lists and quotes in sentences."""

from __future__ import annotations

from datetime import timedelta

import pytest

from domain.schedules.words import duration_in_words, interval_in_words, listed, quoted


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=1.5), "1.5 seconds"),
        (timedelta(microseconds=1), "0.000001 seconds"),
        (timedelta(days=1), "1 day"),
        (
            timedelta(days=2, hours=3, minutes=1, seconds=30),
            "2 days, 3 hours, 1 minute and 30 seconds",
        ),
    ],
)
def test_a_duration_is_worded(duration: timedelta, words: str):
    assert duration_in_words(duration) == words


def test_an_interval_of_one_unit_needs_no_number():
    assert interval_in_words(timedelta(days=1)) == "every day"
    assert interval_in_words(timedelta(days=10)) == "every 10 days"


def test_lists_and_quotes_stay_readable():
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], "or") == "a, b or c"
    assert quoted("a\n b") == "'a b'"
    assert len(quoted("x" * 1_000)) < 130
