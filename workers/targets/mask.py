"""Hides secrets in what is recorded of an attempt: a target may send back what it was sent."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import msgspec
from msgspec.structs import replace

from workers.targets.answer import Answer

HIDDEN = "***"
_NOT_WHOLE = "\N{REPLACEMENT CHARACTER}"


class Mask:
    """Finds values as they are, and as JSON, URLs, base64 and Python's repr write them."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in _forms(value)}
        # The longer ones first: one value may begin with another.
        self._forms = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms)))

    def __call__(self, answer: Answer) -> Answer:
        """The answer, without the values."""
        return replace(
            answer,
            error=self._hide(answer.error),
            response_excerpt=self._hide(answer.response_excerpt),
        )

    def _hide(self, text: str | None) -> str | None:
        if not text or not self._forms:
            return text
        return self._hide_cut(self._pattern.sub(HIDDEN, text))

    def _hide_cut(self, text: str) -> str:
        """Hide the beginning of a value at the text's end, where it was cut off."""
        whole = text.rstrip(_NOT_WHOLE)
        longest = max((_overlap(whole, form) for form in self._forms), default=0)
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
    """How many characters of a form's beginning a text ends with."""
    lengths = range(min(len(form) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(form[:length])), 0)
