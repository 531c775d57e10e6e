"""A refusal tells of all that is wrong with a body, each with what would be right."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from app.requests.wrong_values import MOST_ERRORS, refusal_of
from app.responses.problems import WrongValues, problem_of
from app.schemas.jobs import JobBody, TriggerBody
from app.schemas.keys import KeyBody
from app.schemas.runs import ChosenRunsBody
from app.schemas.services import ServiceBody, ServiceChangesBody
from domain.quotas.limits import Limits
from tests.api.problems import problem

HTTP = {"type": "http", "url": "http://h/"}
DURATION = 'Such as "PT30S".'
WRONG: list[tuple[Any, Any, dict[str, str]]] = [
    (JobBody, [], {"": "Expected `object`, got `array`."}),
    (JobBody, {}, {"/schedule": '"cron":"0 3 * * *"', "/target": '"type":"http"'}),
    (
        JobBody,
        {"naem": 1, "schedule": {"cron": 5, "gap": "x", "evry": 1}, "target": HTTP},
        {
            "/naem": "there are: catchup, description, name,",
            "/schedule/cron": 'Such as "0 3 * * *".',
            "/schedule/gap": "Allowed are: ",
            "/schedule/evry": "there are: after, at, cron,",
        },
    ),
    (
        JobBody,
        {
            "schedule": {"specs": [{"every": 60}, {"every": "5m"}, 7], "exclude": [{"date": "x"}]},
            "target": {"type": "ftp"},
            "overlap": "never",
            "tags": ["a", 5, ""],
            "retry": {"max_attempts": "x", "min_backoff": "soon"},
        },
        {
            "/schedule/specs/1/every": 'write "PT5M"',
            "/schedule/specs/2": "Expected `object`, got `int`.",
            "/schedule/exclude/0/date": 'Such as "2026-12-24".',
            "/target/type": "one of: http, actor, redis_stream.",
            "/overlap": "Allowed are: skip, buffer_one,",
            "/tags/1": "Expected `str`",
            "/tags/2": "of length >= 1",
            "/retry/max_attempts": "Such as 5.",
            "/retry/min_backoff": 'such as "PT30S"',
        },
    ),
    (
        JobBody,
        {
            "schedule": {"at": "tomorrow"},
            "target": {**HTTP, "method": "get", "headers": {"a/b": 5}, "body": [1], "timeout": []},
        },
        {
            "/schedule/at": "2026-11-24T03:00:00Z",
            "/target/method": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "/target/headers/a~1b": "Expected `str`",
            "/target/timeout": DURATION,
        },
    ),
    (ServiceBody, {"name": "Bad Name"}, {"/name": 'Such as "billing".'}),
    (
        KeyBody,
        {"name": "", "scopes": ["read", "reed"], "expires_at": 5},
        {"/name": "length >= 1", "/scopes/1": "read, operate, write, admin", "/expires_at": "Such"},
    ),
    (TriggerBody | None, 5, {"": "Expected `object | null`"}),
    (TriggerBody | None, {"overlap": 5}, {"/overlap": "Allowed are: skip,"}),
    (
        ChosenRunsBody,
        {"limit": 0, "job_id": "x", "since": "2026-01-01T00:00:00"},
        {"/limit": "Such as 100.", "/job_id": "Such as", "/since": "timezone"},
    ),
]


@pytest.mark.parametrize(("kind", "value", "told"), WRONG)
def test_all_that_is_wrong_is_told(kind: Any, value: Any, told: dict[str, str]) -> None:
    errors = errors_of(kind, msgspec.json.encode(value))
    assert {error.pointer for error in errors} == set(told)
    assert len(errors) == len(told)
    for error in errors:
        assert told[str(error.pointer)] in error.detail


def test_all_that_is_wrong_with_merged_limits_is_told() -> None:
    patch = msgspec.json.decode('{"limits": {"jobs": "x", "nope": 1}}', type=ServiceChangesBody)
    with pytest.raises(WrongValues) as refused:
        patch.limits_of(Limits())
    errors = problem_of(refused.value).errors
    assert isinstance(errors, list)
    told = {error.pointer: error.detail for error in errors}
    assert "Expected `int" in told.pop("/limits/jobs")
    assert "there are: fires_per_minute" in told.pop("/limits/nope")
    assert not told


def errors_of(kind: Any, body: bytes) -> list[Any]:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(body, type=kind)
    told = problem_of(refusal_of(body, kind, refused.value))
    assert told.status == 422
    assert isinstance(told.errors, list)
    return told.errors


def test_not_more_is_told_than_somebody_reads() -> None:
    body = msgspec.json.encode({"name": "k", "scopes": ["x"] * 1_000})
    assert len(errors_of(KeyBody, body)) == MOST_ERRORS


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"limit": ' + "9" * 400 + "}", "/limit"),
        ('{"since": 1e400}', "/since"),
        ('{"limit": ' + "[" * 100_000, "/limit"),
        ("[" * 100_000, ""),
    ],
)
def test_what_cannot_be_looked_at_again_is_told_by_its_first_error(body: str, pointer: str) -> None:
    assert [error.pointer for error in errors_of(ChosenRunsBody, body.encode())] == [pointer]


def test_rules_that_are_broken_in_several_places_are_told_at_once(api: httpx.Client) -> None:
    body = {
        "schedule": {
            "specs": [{"every": 60}, {}, {"phase": 5, "cron": "@daily"}],
            "exclude": [{"from": "2027-01-01"}, {"date": "2027-01-01"}, {}],
        },
        "target": {"type": "http", "url": "ftp://host/"},
        "retry": {"max_attempts": 0, "multiplier": 0.5, "min_backoff": "P2D"},
        "catchup": {"limit": 0},
    }
    expected = {
        "/schedule/specs/1",
        "/schedule/specs/2/phase",
        "/schedule/exclude/0",
        "/schedule/exclude/2",
        "/target/url",
        "/retry/max_attempts",
        "/retry/multiplier",
        "/retry/min_backoff",
        "/catchup/limit",
    }
    stored = {"schedule": {"specs": [{"cron": "@daily"}]}, "target": HTTP}
    changed = f"/jobs/{api.post('/jobs', json=stored).json()['id']}"
    for answer in (api.post("/jobs", json=body), api.patch(changed, json=body)):
        errors = problem(answer, 422)["errors"]
        assert {error["pointer"] for error in errors} == expected
