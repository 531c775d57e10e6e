"""What logs say of errors: where, and of which kind; never what their texts quote."""

from __future__ import annotations

import asyncpg
import pytest
from redis.exceptions import ResponseError

from app.observability.tracebacks import traceback_of
from storage.error_kinds import kind_of
from storage.redis.connection import RedisAway

PLANTED = "planted"


def refusal() -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new(
        {"C": "23505", "M": "duplicate", "D": f"Key (name)=({PLANTED})", "n": "jobs_pkey"}
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal(), "UniqueViolationError 23505 of jobs_pkey"),
        (asyncpg.InterfaceError(f"invalid input: {PLANTED}"), "InterfaceError"),
        (ConnectionRefusedError(111, PLANTED), "ConnectionRefusedError ECONNREFUSED"),
        (OSError(PLANTED), "OSError"),
        (ResponseError(f"WRONGTYPE of {PLANTED}"), "ResponseError WRONGTYPE"),
        (ResponseError(f"unknown command {PLANTED}"), "ResponseError"),
        (ValueError(PLANTED), "ValueError"),
        (RedisAway("Redis has failed just now."), "RedisAway: Redis has failed just now."),
    ],
)
def test_an_error_is_told_by_type_and_code(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind


def test_a_traceback_tells_where_and_what_led_to_it() -> None:
    try:
        try:
            raise refusal()
        except asyncpg.PostgresError as error:
            raise ExceptionGroup(PLANTED, [KeyError(PLANTED), ValueError(PLANTED)]) from error
    except ExceptionGroup as error:
        said = traceback_of(error)
    lines = said.splitlines()
    assert "raise refusal()" in said
    assert lines.index("UniqueViolationError 23505 of jobs_pkey") < lines.index("ExceptionGroup")
    assert lines[-2:] == ["KeyError", "ValueError"]
    assert PLANTED not in said.replace("(PLANTED)", "").replace("PLANTED", "")
