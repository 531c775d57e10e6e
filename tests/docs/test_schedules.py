"""What docs/reference/schedules.md shows is what the API does."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from domain.jobs.backfill import MAX_FIRE_TIMES
from tests.processes import CHECKOUT

GUIDE = (CHECKOUT / "docs" / "reference" / "schedules.md").read_text()
BLOCK = re.compile(
    r"<!-- (?P<kind>preview|job|calendar (?P<name>[a-z]+)) -->\n"
    r"```json\n(?P<body>.*?)```\n(?:```text\n(?P<times>.*?)```)?",
    re.DOTALL,
)
BLOCKS = [match.groupdict() for match in BLOCK.finditer(GUIDE)]
PREVIEWS = [block for block in BLOCKS if block["kind"] == "preview"]
ROW = re.compile(r'^\| `("(?:cron|every)": .*?)` \| (.*?) \| (.*?) \|$', re.MULTILINE)
DAYS = ("2027-03-28", "2027-10-31")


@pytest.fixture
def calendars(client: httpx.Client) -> httpx.Client:
    """A client whose service has the calendars that the guide makes."""
    for block in BLOCKS:
        if block["name"]:
            answer = client.put(f"/calendars/{block['name']}", json=json.loads(block["body"]))
            assert answer.is_success, answer.text
    return client


def local_times(client: httpx.Client, body: object) -> list[str]:
    answer = client.post("/schedules/preview", json=body)
    assert answer.status_code == 200, answer.text
    return [item["local"] for item in answer.json()["items"]]


def test_the_guide_says_how_large_a_backfill_may_be() -> None:
    assert f"at most {MAX_FIRE_TIMES:,} fire times" in GUIDE


def test_every_example_is_tried() -> None:
    assert len(BLOCKS) == GUIDE.count("```json\n")
    assert GUIDE.count("```text") == len(PREVIEWS)
    assert all(block["times"] for block in PREVIEWS)
    assert {block["kind"].split()[0] for block in BLOCKS} == {"preview", "job", "calendar"}


@pytest.mark.parametrize("block", PREVIEWS, ids=lambda block: block["body"][:60])
def test_a_preview_answers_the_times_beside_it(
    calendars: httpx.Client, block: dict[str, str]
) -> None:
    assert local_times(calendars, json.loads(block["body"])) == block["times"].split()


@pytest.mark.parametrize("body", [block["body"] for block in BLOCKS if block["kind"] == "job"])
def test_a_job_is_accepted(client: httpx.Client, body: str) -> None:
    answer = client.post("/jobs", json=json.loads(body))
    assert answer.status_code == 201, answer.text
    assert client.delete(answer.headers["location"]).status_code == 204


@pytest.mark.parametrize("row", ROW.findall(GUIDE), ids=lambda row: row[0])
def test_the_table_of_clock_changes_is_right(
    client: httpx.Client, row: tuple[str, str, str]
) -> None:
    schedule: dict[str, Any] = json.loads(f"{{{row[0]}}}") | {"timezone": "Europe/London"}
    for day, cell in zip(DAYS, row[1:], strict=True):
        expected = [] if cell == "none" else cell.split(", ")
        body = {"schedule": schedule, "after": f"{day[:8]}{int(day[8:]) - 1}T12:00:00Z"}
        on_the_day = [time for time in local_times(client, body) if time.startswith(day)]
        shown = [f"{time[11:16]}{time[19:].replace('Z', '+00:00')}" for time in on_the_day]
        assert shown == expected, day


def test_the_table_of_clock_changes_has_rows() -> None:
    assert len(ROW.findall(GUIDE)) == 7


def test_what_a_backfill_takes_is_shown_as_it_is(client: httpx.Client) -> None:
    (block,) = re.findall(r"```jsonc\n(.*?)```", GUIDE, re.DOTALL)
    target = {"type": "http", "url": "http://h/"}
    body = {"schedule": {"cron": "0 3 * * *"}, "target": target}
    path = client.post("/jobs", json=body).headers["location"]
    answer = client.post(f"{path}/backfills", json=json.loads(re.sub(r" //.*", "", block)))
    assert (answer.status_code, answer.json()["total"]) == (202, 7)
