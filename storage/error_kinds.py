"""What is said of an error where others read it: its type and code, and nothing of its text.

The text of an error may hold what somebody stored. Postgres tells the row that it refuses, the
driver the argument, SQLAlchemy all parameters; logs are kept where no secret is to be.
"""

from __future__ import annotations

import re
from errno import errorcode

_OURS = ("storage.", "app.")
_CODE = re.compile(r"[A-Z]{2,20}\b")  # of Redis, before its text


def kind_of(error: BaseException) -> str:
    """The error's type, with what its server calls it; of our own also the text."""
    error = beneath(error)
    name = type(error).__name__
    if type(error).__module__.startswith(_OURS):
        return f"{name}: {error}" if str(error) else name
    return " ".join([name, *_codes(error)])


def beneath(error: BaseException) -> BaseException:
    """What the driver said, where SQLAlchemy wraps that twice."""
    if getattr(error, "orig", None) is None:
        return error
    said: BaseException = error.orig  # type: ignore[attr-defined]
    return said.__cause__ or said


def _codes(error: BaseException) -> list[str]:
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        constraint = getattr(error, "constraint_name", None)
        return [state, f"of {constraint}"] if constraint else [state]
    if isinstance(error, OSError) and error.errno is not None:
        return [errorcode.get(error.errno, str(error.errno))]
    if type(error).__module__.startswith("redis.") and (code := _CODE.match(str(error))):
        return [code[0]]
    return []
