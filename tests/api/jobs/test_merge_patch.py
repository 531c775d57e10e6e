"""PATCH is a JSON Merge Patch (RFC 7396), at every depth."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import Raw

from app.requests.merge_patch import MAX_DEPTH, merged
from domain.errors import Invalid
from loadtests.sink.process import SinkProcess
from tests.api.conftest import JSON
from tests.api.problems import problem, wrong_values

Store = Callable[..., Any]
MERGE = {"content-type": "application/merge-patch+json"}
BERLIN = {"at": "2099-12-24T18:00:00", "timezone": "Europe/Berlin", "jitter": "PT5S"}

# Appendix A of the RFC, as far as both are objects.
RFC = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    # To the letter, where nothing is merged.
    ('{"a": {"n":1e400,"m": 9007199254740993}}', '{"b":1}', None),
    ("{}", '{"a":{"n": 1e400,  "n":[null]}}', '{"a":{"n": 1e400,  "n":[null]}}'),
]


@pytest.mark.parametrize(("stored", "patch", "result"), RFC)
def test_the_examples_of_the_rfc(stored: str, patch: str, result: str | None) -> None:
    members = msgspec.json.Decoder(dict[str, Raw]).decode
    made = merged(members(stored), members(patch), "/x")
    expected = result or '{"a":{"n":1e400,"m": 9007199254740993},"b":1}'
    assert msgspec.json.encode(made).decode() == expected


def test_a_patch_has_a_greatest_depth() -> None:
    deep = Raw(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
    with pytest.raises(Invalid) as refusal:
        merged({}, {"a": deep}, "/target")
    assert refusal.value.pointer == "/target"


@pytest.mark.promise("merge patch")
@pytest.mark.parametrize("headers", [JSON, MERGE])
def test_what_is_not_named_stays_at_every_depth(
    api: httpx.Client, store: Store, sink: SinkProcess, headers: dict[str, str]
) -> None:
    target = {
        "type": "http",
        "url": f"{sink.url}/ok",
        "headers": {"x-a": "1", "x-b": "2"},
        "body": {"full": True, "deep": {"n": 1, "m": [1, None]}},
        "timeout": "PT5S",
    }
    job = store(schedule=BERLIN, target=target, catchup={"window": 5, "limit": 3})
    patch = {
        "schedule": {"at": "2099-12-24T19:00:00"},
        "target": {"headers": {"x-b": None, "x-c": "3"}, "body": {"deep": {"n": 2}}},
        "retry": {"max_attempts": 2},
        "catchup": {"window": None},
    }
    answer = api.patch(f"/jobs/{job['id']}", content=json.dumps(patch), headers=headers)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert changed["schedule"] == {**job["schedule"], "at": "2099-12-24T18:00:00.000000Z"}
    body = {"full": True, "deep": {"n": 2, "m": [1, None]}}
    wanted = {**job["target"], "headers": {"x-a": "1", "x-c": "3"}, "body": body}
    assert changed["target"] == wanted
    assert changed["retry"] == {**job["retry"], "max_attempts": 2}
    assert changed["catchup"] == {**job["catchup"], "window": "PT60S"}
    assert (changed["name"], changed["version"]) == (job["name"], job["version"] + 1)


def test_null_brings_back_the_default(api: httpx.Client, store: Store) -> None:
    plain = store()
    job = store(
        name="x",
        description="y",
        tags=["z"],
        overlap="buffer_all",
        retry={"max_attempts": 1},
        catchup={"limit": 1},
        schedule={"after": "P30D", "timezone": "Europe/Berlin", "max_runs": 3, "gap": "skip"},
    )
    fields = ("name", "description", "tags", "overlap", "retry", "catchup")
    patch = dict.fromkeys(fields) | {"schedule": dict.fromkeys(("timezone", "max_runs", "gap"))}
    changed = api.patch(f"/jobs/{job['id']}", json=patch).json()
    fields = (*fields[1:], "schedule")
    assert [changed[name] for name in fields] == [plain[name] for name in fields]
    assert changed["name"] == "unnamed"
    assert changed["next_fire_at"] == job["next_fire_at"]


@pytest.mark.promise("merge patch")
@pytest.mark.parametrize("patch", ["{}", '{"schedule": {}, "target": {"headers": {}}}', "same"])
def test_what_names_nothing_new_changes_no_version(
    api: httpx.Client, store: Store, patch: str
) -> None:
    job = store(schedule=BERLIN)
    path = f"/jobs/{job['id']}"
    whole = ("name", "description", "tags", "schedule", "target", "retry", "overlap", "catchup")
    same = json.dumps({name: job[name] for name in whole})
    content = same if patch == "same" else patch
    answer = api.patch(path, content=content, headers=MERGE)
    assert (answer.status_code, answer.headers["etag"]) == (200, api.get(path).headers["etag"])
    assert answer.headers["etag"].startswith('"1-')
    assert answer.json() == api.get(path).json() == job
    actions = [
        one["action"]
        for one in api.get("/audit", params={"limit": 200}).json()["items"]
        if one["object_id"] == job["id"]
    ]
    assert actions == ["job.created"]


def test_a_patch_of_nothing_still_asks_for_the_version(api: httpx.Client, store: Store) -> None:
    problem(api.patch(f"/jobs/{store()['id']}", json={}, headers={"If-Match": '"7"'}), 412)


@pytest.mark.parametrize(
    ("patch", "pointer", "says"),
    [
        ({"schedule": {"cron": "0 3 * * *"}}, "/schedule/at", '"at": null'),
        ({"schedule": {"specs": [{"every": 60}]}}, "/schedule/at", '"at": null'),
        ({"schedule": None}, "/schedule", "not removed"),
        ({"target": None}, "/target", "not removed"),
        ({"schedule": {"at": None}}, "/schedule", "exactly one"),
        ({"schedule": {"at": None, "cron": "nonsense"}}, "/schedule/cron", "fields"),
        ({"schedule": {"nonsense": 1}}, "/schedule/nonsense", "There is no field"),
        ({"schedule": {"nonsense": None}}, "/schedule/nonsense", "nonsense"),
        ({"target": {"nonsense": None}}, "/target/nonsense", "There is no field"),
        ({"retry": {"max_attemps": None}}, "/retry/max_attemps", "max_attempts"),
        ({"catchup": {"nonsense": None}}, "/catchup/nonsense", "There is no field"),
        ({"target": {"url": None}}, "/target/url", "required"),
        ({"target": {"method": "FETCH"}}, "/target/method", "FETCH"),
        ({"target": {"type": "actor", "actor": "log"}}, "/target/url", '"url": null, "method"'),
        ({"target": {"headers": {"host": "x"}}}, "/target/headers/host", "set by Tocsin"),
        ({"retry": {"min_backoff": 600}}, "/retry/max_backoff", "backoff"),
        ({"name": 7}, "/name", "str"),
        ({"schedule": []}, "/schedule", "object"),
    ],
)
def test_a_refusal_points_into_the_merged_job(
    api: httpx.Client, store: Store, patch: dict[str, Any], pointer: str, says: str
) -> None:
    job = store(schedule=BERLIN)
    answer = api.patch(f"/jobs/{job['id']}", json=patch)
    assert wrong_values(answer) == [pointer]
    assert says in answer.json()["detail"]
    assert api.get(f"/jobs/{job['id']}").json() == job


def test_the_kind_of_a_schedule_or_target_is_changed_with_nulls(
    api: httpx.Client, store: Store
) -> None:
    job = store(schedule=BERLIN)
    nulls = dict.fromkeys(("url", "method", "headers"))
    patch = {
        "schedule": {"at": None, "cron": "0 3 * * *"},
        "target": {**nulls, "type": "actor", "actor": "log", "payload": {"say": "hello"}},
    }
    changed = api.patch(f"/jobs/{job['id']}", json=patch).json()
    assert changed["schedule"]["cron"] == "0 3 * * *"
    assert "at" not in changed["schedule"]
    assert changed["schedule"]["timezone"] == "Europe/Berlin"
    assert changed["target"]["actor"] == "log"


def test_a_completed_one_shot_is_saved_again_and_stays_completed(
    api: httpx.Client, store: Store
) -> None:
    job = store(schedule={"after": 0})
    path = f"/jobs/{job['id']}"
    answer = api.patch(path, json={"schedule": job["schedule"]})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


def test_a_reference_to_a_secret_is_kept_as_it_was_written(
    api: httpx.Client, store: Store, sink: SinkProcess
) -> None:
    service = api.get("/me").json()["service_id"]
    api.put(f"/services/{service}/secrets/token", json={"value": "s3cr3t"})
    headers = {"authorization": "Bearer ${secret.token}"}
    job = store(target={"type": "http", "url": f"{sink.url}/ok", "headers": headers})
    changed = api.patch(f"/jobs/{job['id']}", json={"target": {"timeout": 7}})
    assert changed.json()["target"]["headers"] == headers
    assert "s3cr3t" not in changed.text


def test_a_body_is_kept_to_the_letter_where_it_is_not_named(
    api: httpx.Client, sink: SinkProcess
) -> None:
    text = '{"b": 1,  "a": 1e400, "a": 9007199254740993}'
    target = f'{{"type": "http", "url": "{sink.url}/ok", "body": {text}}}'
    content = f'{{"schedule": {{"after": "P30D"}}, "target": {target}}}'
    path = api.post("/jobs", content=content, headers=JSON).headers["location"]
    assert api.patch(path, json={"target": {"timeout": 7}}).status_code == 200
    assert f'"body":{text}' in api.get(path).text


def test_runs_are_counted_anew_on_a_wish(api: httpx.Client, store: Store) -> None:
    job = store(schedule={"after": "P30D", "max_runs": 2})
    answer = api.patch(f"/jobs/{job['id']}", json={"reset_run_count": True})
    assert answer.status_code == 200
    assert "reset_run_count" not in answer.json()
    assert wrong_values(api.patch(f"/jobs/{job['id']}", json={"reset_run_count": None}))


def test_edits_at_once_are_merged_into_each_other(api: httpx.Client, store: Store) -> None:
    job = store(target={"type": "http", "url": "http://h/", "headers": {}})
    path = f"/jobs/{job['id']}"
    for number in range(5):
        patch = {"target": {"headers": {f"x-{number}": "1"}}}
        assert api.patch(path, json=patch, headers=MERGE).status_code == 200
    assert len(api.get(path).json()["target"]["headers"]) == 5


def test_a_delay_counts_from_its_acceptance_whatever_else_is_changed(
    api: httpx.Client, store: Store
) -> None:
    job = store()
    changed = api.patch(f"/jobs/{job['id']}", json={"schedule": {"end_at": "2099-01-01T00:00:00"}})
    assert changed.json()["next_fire_at"] == job["next_fire_at"]
    later = api.patch(f"/jobs/{job['id']}", json={"schedule": {"after": "P31D"}}).json()
    assert later["next_fire_at"] > job["next_fire_at"]


def test_another_media_type_is_told_which_there_are(api: httpx.Client, store: Store) -> None:
    answer = api.patch(
        f"/jobs/{store()['id']}", content="{}", headers={"content-type": "text/plain"}
    )
    problem(answer, 415)
    assert answer.headers["accept-patch"] == "application/merge-patch+json, application/json"
    document = api.get("/openapi.json").json()
    content = document["paths"]["/jobs/{job_id}"]["patch"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/merge-patch+json"}
