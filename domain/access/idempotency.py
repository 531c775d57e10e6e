"""Idempotency keys: what is sent again is answered again, and done once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

KEPT = timedelta(hours=24)
"""How long an answer is kept under its key."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a client is answered, to the byte.

    Attributes:
        headers: Those that are about this answer, such as `Location`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Claim(Struct, frozen=True, kw_only=True):
    """A request's claim to be the one that is done under its key.

    Attributes:
        route: Method and path; with the service and the key, what the claim is unique by.
        fingerprint: Of all that the request asks for: another one needs another key.
        size: Bytes of its body.
        at: When it was made.
        answer_of: Makes the answer from the command's result.
        refusal_of: Makes the answer from what the command refuses.
    """

    route: str
    key: str
    fingerprint: bytes
    size: int
    at: datetime
    answer_of: Callable[[Any], Answer]
    refusal_of: Callable[[Exception], Answer]


class Answered(Exception):
    """The request was done before: here is its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer
