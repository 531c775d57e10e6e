"""A policy, an actor or a bulk request that breaks a rule is refused with a pointer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.conftest import JSON
from tests.api.problems import problem, wrong_parameters, wrong_values

PointersTo = Callable[[str, str], str]
Store = Callable[..., Any]


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("overlap", '"never"', ""),
        ("overlap", '"SKIP"', ""),
        ("overlap", "null", ""),
        ("overlap", "{}", ""),
        ("catchup", "null", ""),
        ("catchup", '"latest"', ""),
        ("catchup", '{"window": -1}', "/window"),
        ("catchup", '{"window": 0.5}', "/window"),
        ("catchup", '{"window": "P366DT1S"}', "/window"),
        ("catchup", '{"window": 1e400}', "/window"),
        ("catchup", '{"coalesce": "newest"}', "/coalesce"),
        ("catchup", '{"limit": 0}', "/limit"),
        ("catchup", '{"limit": 1001}', "/limit"),
        ("catchup", '{"limit": ' + "9" * 400 + "}", "/limit"),
        ("catchup", '{"nope": 1}', "/nope"),
        ("retry", '{"max_retry_duration": -1}', "/max_retry_duration"),
        ("retry", '{"max_retry_duration": "P30DT1S"}', "/max_retry_duration"),
        ("retry", '{"max_retry_duration": "soon"}', "/max_retry_duration"),
        ("retry", '{"max_retry_duration": 1e400}', "/max_retry_duration"),
        ("retry", '{"pause_on_failure": 1}', "/pause_on_failure"),
        ("retry", '{"pause_on_failure": null}', "/pause_on_failure"),
        ("target", '{"type": "actor"}', "/actor"),
        ("target", '{"type": "actor", "actor": ""}', "/actor"),
        ("target", '{"type": "actor", "actor": "unknown"}', "/actor"),
        ("target", r'{"type": "actor", "actor": "log\u0000"}', "/actor"),
        ("target", '{"type": "actor", "actor": "' + "x" * 129 + '"}', "/actor"),
        ("target", '{"type": "actor", "actor": "log", "url": "http://h/"}', "/url"),
        ("target", '{"type": "actor", "actor": "log", "body": 1}', "/body"),
        ("target", '{"type": "actor", "actor": "log", "timeout": 0}', "/timeout"),
        ("target", '{"type": "http", "url": "http://h/", "payload": 1}', "/payload"),
    ],
)
def test_a_wrong_policy_or_actor(
    pointers_to: PointersTo, field: str, value: str, pointer: str
) -> None:
    assert pointers_to(field, value) == f"/{field}{pointer}"


def test_the_reason_for_a_pause_is_not_for_clients_to_write(pointers_to: PointersTo) -> None:
    assert pointers_to("pause_reason", '"tired"') == "/pause_reason"


def test_a_refused_actor_is_told_the_allowed_ones(api: httpx.Client) -> None:
    body = {"schedule": {"after": 60}, "target": {"type": "actor", "actor": "unknown"}}
    assert "log, noop" in problem(api.post("/jobs", json=body), 422)["detail"]


@pytest.mark.parametrize(("action", "field"), [("trigger", "overlap"), ("resume", "catch_up")])
def test_an_optional_body_is_read_as_strictly_as_any(
    api: httpx.Client, store: Store, action: str, field: str
) -> None:
    path = f"/jobs/{store()['id']}/{action}"
    for content, pointer in (
        ("[]", ""),
        ('"x"', ""),
        ("[" * 100_000, ""),
        ('{"nope": 1}', "/nope"),
        (f'{{"{field}": "x"}}', f"/{field}"),
        (f'{{"{field}": 1}}', f"/{field}"),
    ):
        assert wrong_values(api.post(path, content=content, headers=JSON)) == [pointer]
    for broken in ("{", " ", "\ufeff{}", f'{{"{field}": "\\ud800"}}'):
        problem(api.post(path, content=broken.encode(), headers=JSON), 400)
    problem(api.post(path, content="{}", headers={"content-type": "text/plain"}), 415)
    for nothing in ("", "null", "{}"):
        assert api.post(path, content=nothing, headers=JSON).is_success


@pytest.mark.parametrize("action", ["cancel", "replay"])
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("", ""),
        ("null", ""),
        ("[]", ""),
        ("{}", ""),
        ('{"limit": 5}', ""),
        ('{"all": false}', ""),
        ('{"all": true, "state": "failed"}', "/all"),
        ('{"all": 1}', "/all"),
        ('{"nope": 1}', "/nope"),
        ('{"limit": 0}', "/limit"),
        ('{"limit": 1001}', "/limit"),
        ('{"limit": ' + "9" * 400 + "}", "/limit"),
        ('{"state": "done"}', "/state"),
        ('{"trigger": "cron"}', "/trigger"),
        ('{"job_id": "x"}', "/job_id"),
        (r'{"job_id": "\u0000"}', "/job_id"),
        ('{"since": "2026-01-01T00:00:00"}', "/since"),
        ('{"since": "0001-01-01T00:00:00+14:00"}', "/since"),
        ('{"before": "9999-12-31T23:59:59-14:00"}', "/before"),
        ('{"before": 5}', "/before"),
    ],
)
def test_a_wrong_choice_of_runs(api: httpx.Client, action: str, body: str, pointer: str) -> None:
    answer = api.post(f"/runs/{action}", content=body, headers=JSON)
    assert wrong_values(answer) == [pointer]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "done"),
        ("state", ""),
        ("trigger", "cron"),
        ("job_id", "x"),
        ("since", "x"),
        ("since", "nan"),
        ("since", "1e400"),
        ("since", "2026-01-01T00:00:00"),
        ("before", "\0"),
        ("before", "9999-12-31T23:59:59-14:00"),
        ("limit", "0"),
        ("limit", "201"),
        ("cursor", "x"),
        ("cursor", "MEAyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAw"),
    ],
)
def test_a_wrong_filter_of_runs(api: httpx.Client, name: str, value: str) -> None:
    assert wrong_parameters(api.get("/runs", params={name: value})) == [name]
