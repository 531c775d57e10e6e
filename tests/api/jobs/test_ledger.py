"""The fire ledger over HTTP: what became of each fire time, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.api.problems import problem, wrong_parameters
from tests.processes import wait_until

Store = Callable[..., Any]
EVER: dict[str, Any] = {
    "from": "0001-01-01T00:00:00Z",
    "to": "9998-12-31T23:59:59.999999Z",
    "limit": 200,
}


@pytest.fixture
def each_second(store: Store, sink: SinkProcess) -> str:
    """The path of a job that rings each second."""
    target = {"type": "http", "url": f"{sink.url}/ok"}
    return f"/jobs/{store(schedule={'every': 1}, target=target)['id']}"


def entries(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(f"{path}/ledger", params=EVER)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def outcomes(client: httpx.Client, path: str) -> set[str]:
    return {entry["outcome"] for entry in entries(client, path)}


def test_a_job_that_never_fired_has_no_entries(api: httpx.Client, store: Store) -> None:
    answer = api.get(f"/jobs/{store()['id']}/ledger", params=EVER)
    assert answer.json() == {"items": [], "next_cursor": None}


def test_runs_and_a_pause_follow_each_other_without_a_gap(
    api: httpx.Client, each_second: str
) -> None:
    wait_until(lambda: "run" in outcomes(api, each_second), what="it ran")
    api.post(f"{each_second}/pause")
    wait_until(lambda: _paused(api, each_second) >= 2, what="fire times passed")
    api.post(f"{each_second}/resume")
    wait_until(
        lambda: [entry["outcome"] for entry in entries(api, each_second)][-1] == "run",
        what="it ran again",
    )
    api.post(f"{each_second}/pause")
    found = entries(api, each_second)
    for earlier, later in pairwise(found):
        end = datetime.fromisoformat(earlier["until"] or earlier["scheduled_for"])
        assert datetime.fromisoformat(later["scheduled_for"]) - end == timedelta(seconds=1)
    for entry in found:
        assert set(entry) == {"scheduled_for", "until", "outcome", "run_id", "count"}
        assert (entry["run_id"] is not None) == (entry["outcome"] == "run")
    assert {entry["outcome"] for entry in found} == {"run", "paused"}


def test_a_run_of_the_ledger_can_be_read(api: httpx.Client, each_second: str) -> None:
    wait_until(lambda: "run" in outcomes(api, each_second), what="it ran")
    entry = entries(api, each_second)[0]
    run = api.get(f"/runs/{entry['run_id']}").json()
    assert run["scheduled_for"] == entry["scheduled_for"]


def test_what_is_excluded_says_so(api: httpx.Client, store: Store, sink: SinkProcess) -> None:
    schedule = {"every": 1, "exclude": [{"every": 2}]}
    target = {"type": "http", "url": f"{sink.url}/ok"}
    path = f"/jobs/{store(schedule=schedule, target=target)['id']}"
    wait_until(lambda: outcomes(api, path) >= {"run", "excluded"}, what="both were told")
    for entry in entries(api, path):
        instant = datetime.fromisoformat(entry["scheduled_for"])
        assert (entry["outcome"] == "excluded") == (instant.second % 2 == 0)


def test_what_overlaps_is_skipped_and_says_so(
    api: httpx.Client, store: Store, sink: SinkProcess
) -> None:
    target = {"type": "http", "url": f"{sink.url}/hang"}
    path = f"/jobs/{store(schedule={'every': 1}, target=target)['id']}"
    wait_until(lambda: "skipped_overlap" in outcomes(api, path), what="a run was let go")
    api.post(f"{path}/pause")
    skipped = [run for run in _runs(api, path) if run["state"] == "skipped_overlap"]
    assert skipped
    assert all(run["reason"] for run in skipped)


def test_pages_hold_every_entry_once_oldest_first(api: httpx.Client, each_second: str) -> None:
    wait_until(lambda: len(entries(api, each_second)) >= 3, what="it ran")
    api.post(f"{each_second}/pause")
    now = datetime.now(UTC).isoformat()
    walked, cursor = [], None
    while True:
        parameters: dict[str, Any] = {"to": now, "limit": 1} | (
            {"cursor": cursor} if cursor else {}
        )
        page = api.get(f"{each_second}/ledger", params=parameters).json()
        walked += [entry["scheduled_for"] for entry in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(walked) >= 3
    assert walked == sorted(set(walked))


def test_a_range_that_ends_before_it_starts_holds_nothing(
    api: httpx.Client, each_second: str
) -> None:
    wait_until(lambda: "run" in outcomes(api, each_second), what="it ran")
    for start, end in (
        ("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("9998-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
        (None, "0001-01-01T00:00:00Z"),
        (None, "0001-01-01T12:00:00Z"),
    ):
        parameters = {"to": end} | ({"from": start} if start else {})
        answer = api.get(f"{each_second}/ledger", params=parameters)
        assert (answer.status_code, answer.json()["items"]) == (200, [])


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "\0",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "99999999999999999",
        "inf",
    ],
)
def test_a_wrong_bound_is_refused(api: httpx.Client, store: Store, name: str, value: str) -> None:
    answer = api.get(f"/jobs/{store()['id']}/ledger", params={name: value})
    assert wrong_parameters(answer) == [name]


def test_a_wrong_page_is_refused(api: httpx.Client, store: Store, each_second: str) -> None:
    path = f"/jobs/{store()['id']}/ledger"
    for name, value in (("limit", "0"), ("limit", "201"), ("cursor", "x")):
        assert wrong_parameters(api.get(path, params={name: value})) == [name]
    cursor = api.get("/jobs", params={"limit": 1}).json()["next_cursor"]
    assert wrong_parameters(api.get(path, params={"cursor": cursor})) == ["cursor"]


def test_of_a_job_that_is_not_there_nothing_is_told(
    api: httpx.Client, stranger: httpx.Client, store: Store
) -> None:
    problem(api.get(f"/jobs/{UUID(int=7 << 76)}/ledger"), 404)
    problem(stranger.get(f"/jobs/{store()['id']}/ledger"), 404)


def _paused(api: httpx.Client, path: str) -> int:
    found = [entry for entry in entries(api, path) if entry["outcome"] == "paused"]
    return sum(entry["count"] or 0 for entry in found)


def _runs(api: httpx.Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"{path}/runs").json()["items"]
    return found
