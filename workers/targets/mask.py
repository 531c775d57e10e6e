"""Hides secrets in what is recorded of an attempt, since a target may send back its request."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import count
from urllib.parse import quote, quote_plus

import msgspec
from msgspec.structs import replace

from workers.targets.answer import Answer

HIDDEN = "***"
_SHORTEST_CUT = 1_000
"""Texts of 1,000 characters and more may have been cut off at their end."""
_PROBE = 16
_MOST_LOOKS = 16
_NOT_WHOLE = "\N{REPLACEMENT CHARACTER}"


class Mask:
    """Replaces values, as they are and as JSON, URLs, base64 and Python's repr write them."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = tuple(values)

    def __call__(self, answer: Answer) -> Answer:
        """The answer without the values."""
        if not (answer.error or answer.response_excerpt):
            return answer
        # Longer forms first, since one value may begin with another.
        forms = {form for value in self._values for form in _forms(value)}
        ordered = sorted(forms, key=len, reverse=True)
        return replace(
            answer,
            error=answer.error and _hidden(answer.error, ordered),
            response_excerpt=answer.response_excerpt and _hidden(answer.response_excerpt, ordered),
        )


def _hidden(text: str, forms: list[str]) -> str:
    hidden = text
    for form in forms:
        hidden = hidden.replace(form, HIDDEN)
    return hidden if len(text) < _SHORTEST_CUT else _without_cut_value(hidden, forms)


def _without_cut_value(text: str, forms: list[str]) -> str:
    """Hide a value of which the text's end has only the beginning."""
    whole = text.rstrip(_NOT_WHOLE)
    longest = max((_overlap(whole, form) for form in forms), default=0)
    return whole[: len(whole) - longest] + HIDDEN if longest else text


def _forms(value: str) -> Iterator[str]:
    yield value
    yield msgspec.json.encode(value)[1:-1].decode()
    yield json.dumps(value)[1:-1]
    yield ascii(value)[1:-1]
    yield repr(value)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
    yield b64encode(value.encode()).decode()


def _overlap(text: str, form: str) -> int:
    """The length of the longest proper prefix of a form that a text ends with."""
    probe = text[-_PROBE:]
    end = min(len(form) - 1, len(text))
    for looks in count(1):
        at = form.rfind(probe, 0, end)
        if at < 0:
            break
        # A value that repeats itself would take long: rather too much is hidden.
        if looks > _MOST_LOOKS or text.endswith(form[: at + len(probe)]):
            return at + len(probe)
        end = at + len(probe) - 1
    lengths = range(min(len(probe), len(form)) - 1, 0, -1)
    return next((length for length in lengths if text.endswith(form[:length])), 0)
