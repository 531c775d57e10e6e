"""No instant from the year 9999 on is taken, and none is reckoned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

ENDS = ["9999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9998-12-31T23:30:00-01:00"]
LAST = "9998-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("end", ENDS)
def test_instants_are_refused_wherever_they_are_sent(
    api: httpx.Client, store: Callable[..., Any], end: str
) -> None:
    job = store()["id"]
    target = {"type": "actor", "actor": "noop"}
    body = {"every": "P1D"}
    asked = [
        api.post("/jobs", json={"target": target, "schedule": {"at": end}}),
        api.post("/jobs", json={"target": target, "schedule": {"start_at": end, **body}}),
        api.post("/jobs", json={"target": target, "schedule": {"end_at": end, **body}}),
        api.patch(f"/jobs/{job}", json={"schedule": {"after": None, "at": end}}),
        api.post("/schedules/preview", json={"schedule": body, "after": end}),
        api.post("/schedules/preview", json={"schedule": body, "until": end}),
        api.post(f"/jobs/{job}/backfills", json={"start": end, "end": end}),
        api.post("/runs/cancel", json={"before": end}),
    ]
    for where, names in {
        "/jobs": ("next_fire_after", "next_fire_before"),
        "/runs": ("since", "before"),
        f"/jobs/{job}/runs": ("since", "before"),
        f"/jobs/{job}/ledger": ("from", "to"),
        f"/jobs/{job}/preview": ("after", "until"),
        f"/jobs/{job}/stats": ("from", "to"),
        "/stats": ("from", "to"),
        "/audit": ("from", "to"),
    }.items():
        asked += [api.get(where, params={name: end}) for name in names]
    for answer in asked:
        at = (str(answer.request.url), answer.request.content, answer.text)
        assert answer.status_code == 422, at


@pytest.mark.parametrize(
    "schedule",
    [
        {"every": "P1D", "start_at": LAST},
        {"rrule": "DTSTART:99990101T000000Z\nRRULE:FREQ=DAILY"},
        {"rrule": "DTSTART:99981231T233000\nRRULE:FREQ=DAILY", "timezone": "America/Adak"},
    ],
)
def test_a_schedule_that_first_fires_then_never_fires(
    api: httpx.Client, schedule: dict[str, str]
) -> None:
    target = {"type": "actor", "actor": "noop"}
    answer = api.post("/jobs", json={"target": target, "schedule": schedule})
    assert answer.status_code == 422, answer.text


def test_a_job_of_the_last_moment_is_like_any_other(
    api: httpx.Client, store: Callable[..., Any]
) -> None:
    job = store(schedule={"at": LAST, "timezone": "Pacific/Kiritimati"})
    assert job["next_fire_at"] == LAST
    for verb in ("pause", "resume"):
        assert api.post(f"/jobs/{job['id']}/{verb}").status_code == 200
    for sort in ("created", "next_fire"):
        for order in ("asc", "desc"):
            listed = api.get("/jobs", params={"sort": sort, "order": order})
            assert listed.status_code == 200, listed.text
    for path in ("", "/preview", "/ledger", "/runs", "/stats"):
        assert api.get(f"/jobs/{job['id']}{path}").status_code == 200
