"""Calendars over HTTP: stored by name, read, listed, used by schedules, deleted."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.conftest import JSON
from tests.api.problems import problem, wrong_parameters, wrong_values

WEEKENDS = {"cron": "* * * * sat,sun"}
NIGHTLY: dict[str, Any] = {"cron": "0 3 * * *", "timezone": "Europe/London"}
MONDAY = "2027-01-04T12:00:00Z"


def put(client: httpx.Client, name: str, *exclude: object, **more: object) -> httpx.Response:
    return client.put(f"/calendars/{name}", json={"exclude": exclude, **more})


def test_a_calendar_is_answered_as_sent_and_read_the_same(client: httpx.Client) -> None:
    exclude = [
        {"date": "2026-12-25"},
        {"from": "2026-12-28", "to": "2026-12-31"},
        {"at": "2027-01-01T03:00:00.000000Z"},
        {"every": "PT3600S", "phase": "PT60S"},
        WEEKENDS,
        {"rrule": "DTSTART:20260101T000000\nRRULE:FREQ=YEARLY"},
    ]
    stored = put(client, "holidays", *exclude, description="Nobody works")
    assert stored.status_code == 201
    calendar = stored.json()
    assert calendar["exclude"] == exclude
    assert (calendar["name"], calendar["description"]) == ("holidays", "Nobody works")
    assert calendar["version"] == 1
    assert client.get("/calendars/holidays").json() == calendar


def test_a_second_put_replaces_the_first(client: httpx.Client) -> None:
    made = put(client, "holidays", WEEKENDS, description="old")
    replaced = put(client, "holidays", {"date": "2026-12-25"})
    assert (made.status_code, replaced.status_code) == (201, 200)
    first, second = made.json(), replaced.json()
    assert (second["version"], second["description"]) == (2, "")
    assert second["exclude"] == [{"date": "2026-12-25"}]
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]


def test_local_times_are_read_in_the_time_zone_that_is_sent(client: httpx.Client) -> None:
    calendar = put(client, "summer", {"at": "2027-07-01T12:00:00"}, timezone="Europe/London")
    assert calendar.json()["exclude"] == [{"at": "2027-07-01T11:00:00.000000Z"}]


def test_calendars_are_listed_by_name_page_by_page(client: httpx.Client) -> None:
    names = ["A", "Z", "a", "b.c", "b_c", "z-1"]
    for name in reversed(names):
        assert put(client, name, WEEKENDS).status_code == 201
    walked, cursor = [], None
    while True:
        parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/calendars", params=parameters).json()
        walked += [item["name"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert sorted(walked) == names
    assert len(walked) == len(names)


def test_a_schedule_does_not_fire_on_what_its_calendar_names(client: httpx.Client) -> None:
    put(client, "weekends", WEEKENDS)
    schedule = {**NIGHTLY, "exclude": [{"calendar": "weekends"}]}
    body = {"schedule": schedule, "after": "2027-01-01T12:00:00Z", "count": 2}
    answer = client.post("/schedules/preview", json=body).json()
    assert [item["local"][:10] for item in answer["items"]] == ["2027-01-04", "2027-01-05"]
    assert "weekends" in answer["description"]


def test_a_changed_calendar_moves_the_jobs_that_name_it(client: httpx.Client) -> None:
    put(client, "closed", {"date": "2097-01-01"})
    job = client.post(
        "/jobs",
        json={
            "schedule": {"cron": "0 0 0 1 1 * 2097-2099", "exclude": [{"calendar": "closed"}]},
            "target": {"type": "http", "url": "http://h/"},
        },
    ).json()
    assert job["next_fire_at"] == "2098-01-01T00:00:00.000000Z"
    assert job["schedule"]["exclude"] == [{"calendar": "closed"}]
    put(client, "closed", {"from": "2097-01-01", "to": "2098-12-31"})
    assert client.get(f"/jobs/{job['id']}").json()["next_fire_at"] == "2099-01-01T00:00:00.000000Z"
    put(client, "closed", {"from": "2097-01-01", "to": "2099-12-31"})
    completed = client.get(f"/jobs/{job['id']}").json()
    assert (completed["state"], completed["next_fire_at"]) == ("completed", None)


def test_a_calendar_that_a_job_names_cannot_be_deleted(client: httpx.Client) -> None:
    put(client, "holidays", {"date": "2027-01-01"})
    schedule = {**NIGHTLY, "exclude": [{"calendar": "holidays"}]}
    target = {"type": "http", "url": "http://h/"}
    job = client.post("/jobs", json={"schedule": schedule, "target": target}).json()
    refusal = problem(client.delete("/calendars/holidays"), 409)
    assert job["id"] in refusal["detail"]
    assert (
        client.patch(f"/jobs/{job['id']}", json={"schedule": {"exclude": None}}).status_code == 200
    )
    assert client.delete("/calendars/holidays").status_code == 204
    problem(client.get("/calendars/holidays"), 404)
    problem(client.delete("/calendars/holidays"), 404)


def test_each_service_has_calendars_of_its_own(
    client: httpx.Client, stranger: httpx.Client
) -> None:
    put(client, "mine", WEEKENDS)
    problem(stranger.get("/calendars/mine"), 404)
    problem(stranger.delete("/calendars/mine"), 404)
    schedule = {**NIGHTLY, "exclude": [{"calendar": "mine"}]}
    answer = stranger.post("/schedules/preview", json={"schedule": schedule})
    assert wrong_values(answer) == ["/schedule/exclude/0/calendar"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("name", ["a%0A", "a%00", "%ff", "a%20b", "%C3%A9", "x" * 65])
def test_a_wrong_name_is_refused(api: httpx.Client, method: str, name: str) -> None:
    url = api.base_url.copy_with(raw_path=f"/calendars/{name}".encode())
    content = b'{"exclude": []}' if method == "PUT" else None
    answer = api.request(method, url, content=content, headers=JSON)
    assert wrong_parameters(answer) == ["name"]


@pytest.mark.parametrize(
    ("entry", "pointer"),
    [
        ("{}", ""),
        ('{"date": "2026-01-01", "cron": "* * * * *"}', ""),
        ('{"from": "2026-01-01"}', ""),
        ('{"to": "2026-01-01"}', ""),
        ('{"from": "2026-01-02", "to": "2026-01-01"}', "/to"),
        ('{"date": "2026-02-30"}', "/date"),
        ('{"date": "10000-01-01"}', "/date"),
        ('{"date": "2026-01-01T00:00:00Z"}', "/date"),
        ('{"date": null}', "/date"),
        ('{"calendar": "other"}', "/calendar"),
        ('{"calendar": "wrong"}', "/calendar"),
        ('{"calendar": "a b"}', "/calendar"),
        (r'{"calendar": "a\n"}', "/calendar"),
        (r'{"calendar": "\u0000"}', "/calendar"),
        ('{"after": 5}', "/after"),
        ('{"at": "9999-12-31T23:59:59-14:00"}', "/at"),
        ('{"every": 0.5}', "/every"),
        ('{"every": 1e300}', "/every"),
        ('{"every": 5, "phase": 5}', "/phase"),
        ('{"phase": 5}', ""),
        ('{"cron": "60 * * * *"}', "/cron"),
        (r'{"cron": "\u0000"}', "/cron"),
        ('{"rrule": "FREQ=DAILY"}', "/rrule"),
        (r'{"rrule": "DTSTART;TZID=../x:20260101T000000\nRRULE:FREQ=DAILY"}', "/rrule"),
        ('{"rrule": "' + "x" * 1_001 + '"}', "/rrule"),
        ('{"nope": 1}', "/nope"),
        ("[" * 50_000 + "]" * 50_000, ""),
    ],
)
def test_a_wrong_entry_is_refused(api: httpx.Client, entry: str, pointer: str) -> None:
    content = f'{{"exclude": [{{"date": "2026-01-01"}}, {entry}]}}'
    answer = api.put("/calendars/wrong", content=content, headers=JSON)
    assert wrong_values(answer) == ["/exclude/1" + pointer]
    problem(api.get("/calendars/wrong"), 404)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("{}", "/exclude"),
        ("null", ""),
        ('{"exclude": null}', "/exclude"),
        ('{"exclude": [' + ",".join(['{"date": "2026-01-01"}'] * 101) + "]}", "/exclude"),
        ('{"exclude": [], "timezone": "Nope"}', "/timezone"),
        (r'{"exclude": [], "description": "\u0000"}', "/description"),
        ('{"exclude": [], "name": "other"}', "/name"),
    ],
)
def test_a_wrong_calendar_is_refused(api: httpx.Client, body: str, pointer: str) -> None:
    answer = api.put("/calendars/wrong", content=body, headers=JSON)
    assert wrong_values(answer) == [pointer]


def test_half_a_surrogate_pair_is_no_json(api: httpx.Client) -> None:
    content = rb'{"exclude": [], "description": "\ud800"}'
    problem(api.put("/calendars/wrong", content=content, headers=JSON), 400)


@pytest.mark.parametrize(
    "entry",
    [
        {"date": "0001-01-01"},
        {"date": "9999-12-31"},
        {"from": "0001-01-01", "to": "2026-01-01"},
        {"cron": "0 0 30 2 *"},
        {"cron": "H H * * *"},
        {"rrule": "DTSTART:00010101T000000\nRRULE:FREQ=MINUTELY"},
        {"rrule": "DTSTART:99991231T235959\nRRULE:FREQ=DAILY"},
    ],
)
def test_what_excludes_little_or_nothing_is_a_calendar_nonetheless(
    api: httpx.Client, entry: object
) -> None:
    assert put(api, "odd", entry).is_success
    schedule = {"every": 1.5, "exclude": [{"calendar": "odd"}]}
    answer = api.post("/schedules/preview", json={"schedule": schedule, "after": MONDAY})
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 10
