"""What a target sends back of secrets is not recorded."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from domain.runs.run import Outcome
from workers.targets.answer import Answer
from workers.targets.mask import Mask

SECRET = "tok\"en/\u00e9 '1\n"


def hidden(text: str, *secrets: str) -> str:
    answer = Answer(outcome=Outcome.FAILED, error=text, response_excerpt=text)
    masked = Mask(secrets or [SECRET])(answer)
    assert masked.error == masked.response_excerpt
    assert masked.error is not None
    return masked.error


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET, safe=""),
        b64encode(SECRET.encode()).decode(),
        repr(SECRET)[1:-1],
    ],
)
def test_a_value_is_hidden_in_every_form(form: str):
    assert hidden(f"<{form}>{form}<") == "<***>***<"


def test_of_values_that_begin_alike_the_longer_one_is_hidden_whole():
    assert hidden("abcdef abc", "abc", "abcdef") == "*** ***"


LONG = "0123456789abcdef" * 4 + "the end"


@pytest.mark.parametrize("length", [1, 5, 15, 16, 17, 40, 70])
def test_a_value_that_was_cut_off_is_hidden(length: int):
    before = "." * 2_000
    assert hidden(before + LONG[:length], LONG) == before + "***"


def test_a_character_that_was_cut_in_two_does_not_show_what_stood_before_it():
    before = "." * 2_000
    assert hidden(f"{before}secr\N{REPLACEMENT CHARACTER}", "secr\u00e9t") == before + "***"


def test_a_long_text_that_only_looks_cut_off_stays():
    text = "." * 2_000 + "23456789abcdef" * 3
    assert hidden(text, LONG) == text


def test_what_is_long_is_hidden_quickly_enough_for_an_event_loop():
    values = ["x" * 8_000 + str(number) for number in range(20)]
    assert hidden("x" * 4_096, *values) == "***"


def test_the_rest_stays_and_nothing_stays_nothing():
    assert hidden("all well.", "0123456789") == "all well."
    answer = Answer(outcome=Outcome.SUCCEEDED, status_code=200)
    assert Mask(["x"])(answer) == answer


def test_without_values_there_is_nothing_to_hide():
    answer = Answer(outcome=Outcome.FAILED, error="text")
    assert Mask([])(answer) == answer
