"""Previews: when a schedule fires, without anything being stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.conftest import JSON
from tests.api.problems import wrong_parameters, wrong_values

Store = Callable[..., Any]
LONDON = {"cron": "30 1 * * *", "timezone": "Europe/London"}


def local_times(client: httpx.Client, schedule: object, after: str, count: int) -> list[str]:
    body = {"schedule": schedule, "after": after, "count": count}
    answer = client.post("/schedules/preview", json=body)
    assert answer.status_code == 200, answer.text
    return [item["local"] for item in answer.json()["items"]]


def test_a_preview_tells_instants_local_times_notes_words_and_warnings(api: httpx.Client) -> None:
    body = {"schedule": LONDON, "after": "2026-03-27T12:00:00Z", "count": 3}
    answer = api.post("/schedules/preview", json=body)
    assert answer.status_code == 200
    preview = answer.json()
    assert set(preview) == {"items", "description", "warnings", "continues_at"}
    assert preview["items"] == [
        {"at": "2026-03-28T01:30:00.000000Z", "local": "2026-03-28T01:30:00Z", "note": None},
        {"at": "2026-03-29T01:00:00.000000Z", "local": "2026-03-29T02:00:00+01:00", "note": "gap"},
        {"at": "2026-03-30T00:30:00.000000Z", "local": "2026-03-30T01:30:00+01:00", "note": None},
    ]
    assert "01:30" in preview["description"]
    assert "Europe/London" in preview["description"]


@pytest.mark.parametrize(
    ("fold", "offsets"), [("first", ["+01:00"]), ("second", ["Z"]), ("both", ["+01:00", "Z"])]
)
def test_hours_that_come_twice_fire_as_fold_says(
    api: httpx.Client, fold: str, offsets: list[str]
) -> None:
    times = local_times(api, {**LONDON, "fold": fold}, "2026-10-24T12:00:00Z", len(offsets))
    assert times == [f"2026-10-25T01:30:00{offset}" for offset in offsets]


def test_a_local_instant_and_a_duration_in_weeks(api: httpx.Client) -> None:
    twice = {"at": "2027-10-31T01:30:00", "timezone": "Europe/London", "fold": "both"}
    times = local_times(api, twice, "2027-10-01T12:00:00Z", 3)
    assert times == [f"2027-10-31T01:30:00{offset}" for offset in ("+01:00", "Z")]
    weekly = {"every": "P1W"}
    times = local_times(api, weekly, "2027-01-01T00:00:00Z", 2)
    assert times == ["2027-01-07T00:00:00Z", "2027-01-14T00:00:00Z"]


def test_a_preview_ends_at_until_and_at_max_runs(api: httpx.Client) -> None:
    body = {"schedule": {"every": 60}, "after": "2027-01-01T00:00:00Z", "count": 1_000}
    bounded = api.post("/schedules/preview", json={**body, "until": "2027-01-01T00:03:00Z"})
    assert len(bounded.json()["items"]) == 3
    body["schedule"] = {"every": 60, "max_runs": 2}
    assert len(api.post("/schedules/preview", json=body).json()["items"]) == 2


def test_a_jobs_preview_is_that_of_its_schedule(api: httpx.Client, store: Store) -> None:
    job = store(schedule=LONDON)
    path = f"/jobs/{job['id']}/preview"
    own = api.get(path, params={"after": "2026-03-27T12:00:00Z", "count": 3}).json()
    body = {"schedule": LONDON, "after": "2026-03-27T12:00:00Z", "count": 3}
    assert own == api.post("/schedules/preview", json=body).json()
    assert api.get(path).json()["items"][0]["at"] == job["next_fire_at"]


def test_hashed_minutes_differ_by_job_and_stay(api: httpx.Client, store: Store) -> None:
    paths = [f"/jobs/{store(schedule={'cron': 'H H * * *'})['id']}/preview" for _ in range(12)]
    first = [api.get(path, params={"count": 1}).json()["items"] for path in paths]
    again = [api.get(path, params={"count": 1}).json()["items"] for path in paths]
    assert first == again
    assert len({items[0]["at"] for items in first}) > 1


def test_nothing_is_stored(client: httpx.Client) -> None:
    assert client.post("/schedules/preview", json={"schedule": LONDON}).status_code == 200
    assert client.get("/jobs").json()["items"] == []


@pytest.mark.parametrize(
    ("schedule", "phrase"),
    [
        ({"cron": "0 3 1 * mon"}, "both day fields"),
        ({"cron": "0 3 * * *"}, "top of the hour"),
        ({"cron": "30 0 3 * * *"}, "six fields"),
    ],
)
def test_what_is_hardly_meant_is_warned_of(
    api: httpx.Client, schedule: object, phrase: str
) -> None:
    answer = api.post("/schedules/preview", json={"schedule": schedule}).json()
    assert any(phrase in warning for warning in answer["warnings"])


def test_the_ends_of_the_calendar_are_no_trouble(api: httpx.Client) -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        for spec in ({"cron": "0 3 * * *"}, {"every": 1}, {"every": "P3660D"}):
            schedule = {**spec, "timezone": zone}
            for bounds in (
                {"after": "0001-01-01T00:00:00Z"},
                {"after": "9998-12-31T23:59:59.999999Z"},
                {"after": "9998-12-31T00:00:00Z", "count": 1_000},
                {"until": "0001-01-01T00:00:00Z"},
            ):
                answer = api.post("/schedules/preview", json={"schedule": schedule, **bounds})
                assert answer.status_code == 200, answer.text


def test_an_end_before_the_start_holds_nothing(api: httpx.Client, store: Store) -> None:
    bounds = {"after": "2027-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
    answer = api.post("/schedules/preview", json={"schedule": LONDON, **bounds})
    assert answer.json()["items"] == []
    own = api.get(f"/jobs/{store(schedule=LONDON)['id']}/preview", params=bounds)
    assert own.json()["items"] == []


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ('"count": 0', "/count"),
        ('"count": 1001', "/count"),
        ('"count": 1.5', "/count"),
        ('"count": ' + "9" * 400, "/count"),
        ('"count": null', "/count"),
        ('"after": "2026-01-01T00:00:00"', "/after"),
        ('"after": "9999-12-31T23:59:59-14:00"', "/after"),
        ('"after": "0001-01-01T00:00:00+14:00"', "/after"),
        ('"after": "10000-01-01T00:00:00Z"', "/after"),
        ('"until": "9999-12-31T23:59:59-14:00"', "/until"),
        ('"until": 5', "/until"),
        ('"nope": 1', "/nope"),
    ],
)
def test_a_wrong_preview_is_refused(api: httpx.Client, more: str, pointer: str) -> None:
    content = f'{{"schedule": {{"every": 60}}, {more}}}'
    answer = api.post("/schedules/preview", content=content, headers=JSON)
    assert wrong_values(answer) == [pointer]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", "0"),
        ("count", "1001"),
        ("count", "9" * 400),
        ("count", "x"),
        ("after", "x"),
        ("after", "\0"),
        ("after", "2026-01-01T00:00:00"),
        ("after", "9999-12-31T23:59:59-14:00"),
        ("after", "99999999999999999"),
        ("until", "inf"),
        ("until", "2026-01-01T00:00:00"),
    ],
)
def test_a_wrong_parameter_of_a_jobs_preview_is_refused(
    api: httpx.Client, store: Store, name: str, value: str
) -> None:
    answer = api.get(f"/jobs/{store()['id']}/preview", params={name: value})
    assert wrong_parameters(answer) == [name]
