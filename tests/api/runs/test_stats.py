"""Statistics over HTTP: how the runs of a job, or of all jobs of a service, ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from loadtests.sink.process import SinkProcess
from tests.api.problems import problem, wrong_parameters
from tests.processes import System, runs_of, wait_until

Store = Callable[..., Any]
FIELDS = {
    "from",
    "to",
    "counts",
    "success_rate",
    "lateness_ms",
    "overlap_wait_ms",
    "duration_ms",
    "last_success_at",
    "last_failure_at",
    "updated_at",
}
NOTHING = {"succeeded": 0, "failed": 0, "cancelled": 0, "skipped_overlap": 0, "missed": 0}


def stats(client: httpx.Client, path: str, **window: str) -> dict[str, Any]:
    parameters = {name.rstrip("_"): value for name, value in window.items()}
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert set(found) == FIELDS
    return found


@pytest.fixture
def make(client: httpx.Client, job_body: Callable[..., dict[str, Any]]) -> Store:
    """Stores a job of a service of the test's own."""

    def store(**changes: Any) -> Any:
        answer = client.post("/jobs", json=job_body(**changes))
        assert answer.status_code == 201, answer.text
        return answer.json()

    return store


def test_a_job_that_never_ran_has_empty_statistics(client: httpx.Client, make: Store) -> None:
    job = make(schedule={"after": "P30D"})
    for path in (f"/jobs/{job['id']}/stats", "/stats"):
        found = stats(client, path)
        assert found["counts"] == NOTHING
        assert {name for name, value in found.items() if value is None} == FIELDS - {
            "from",
            "to",
            "counts",
        }


def test_what_ended_is_counted_within_seconds_for_the_job_and_for_the_service(
    client: httpx.Client, make: Store, sink: SinkProcess
) -> None:
    good = make()["id"]
    bad = make(path="/fail/1", retry={"max_attempts": 1})["id"]
    later = make(schedule={"after": "P30D"})["id"]
    run = client.post(f"/jobs/{later}/trigger", json={}).json()
    wait_until(
        lambda: sum(stats(client, "/stats")["counts"].values()) == 3, what="all three were counted"
    )
    (success,) = runs_of(client, good)
    found = stats(client, f"/jobs/{good}/stats")
    assert found["counts"] == {**NOTHING, "succeeded": 1}
    assert found["success_rate"] == 1.0
    assert found["last_success_at"] == success["finished_at"]
    assert found["last_failure_at"] is None
    assert found["updated_at"] >= success["finished_at"]
    assert found["lateness_ms"]["max"] == pytest.approx(success["lateness_ms"], abs=0.001)
    assert set(found["lateness_ms"]) == set(found["duration_ms"]) == {"p50", "p90", "p99", "max"}
    failed = stats(client, f"/jobs/{bad}/stats")
    assert (failed["counts"]["failed"], failed["success_rate"]) == (1, 0.0)
    assert stats(client, "/stats")["success_rate"] == pytest.approx(2 / 3)
    assert client.get(f"/runs/{run['id']}").json()["state"] == "succeeded"


def test_a_window_is_widened_to_whole_days_or_hours(client: httpx.Client, make: Store) -> None:
    window = {"from_": "2026-11-03T10:20:30+02:00", "to": "2026-11-05T10:00:00.000001Z"}
    found = stats(client, f"/jobs/{make(schedule={'after': 'P30D'})['id']}/stats", **window)
    assert found["from"] == "2026-11-03T00:00:00.000000Z"
    assert found["to"] == "2026-11-06T00:00:00.000000Z"
    found = stats(client, "/stats", **window)
    assert found["from"] == "2026-11-03T08:00:00.000000Z"
    assert found["to"] == "2026-11-05T11:00:00.000000Z"


def test_left_out_it_is_the_last_30_days_or_the_last_day(client: httpx.Client, make: Store) -> None:
    job = make(schedule={"after": "P30D"})
    for path, days, grain in ((f"/jobs/{job['id']}/stats", 30, 24), ("/stats", 1, 1)):
        found = stats(client, path)
        start, end = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
        now = datetime.now(UTC)
        assert now <= end < now + timedelta(hours=grain)
        assert end - start in (timedelta(days=days), timedelta(days=days, hours=grain))


def test_what_ended_outside_the_window_does_not_count(client: httpx.Client, make: Store) -> None:
    path = f"/jobs/{make()['id']}/stats"
    wait_until(lambda: stats(client, path)["counts"]["succeeded"], what="it was counted")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(hour=0, minute=0, second=0)
    for one in (path, "/stats"):
        found = stats(client, one, to=yesterday.replace(microsecond=0).isoformat())
        assert found["counts"] == NOTHING


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize(
    "value", ["", "x", "\0", "2026-01-01", "2026-01-01T00:00:00", "10000-01-01T00:00:00Z", "inf"]
)
def test_a_wrong_bound_is_refused(api: httpx.Client, store: Store, name: str, value: str) -> None:
    for path in (f"/jobs/{store()['id']}/stats", "/stats"):
        assert wrong_parameters(api.get(path, params={name: value})) == [name]


@pytest.mark.parametrize(
    ("start", "end", "wrong"),
    [
        ("2026-11-03T00:00:00Z", "2026-11-03T00:00:00Z", "from"),
        ("2026-11-04T00:00:00Z", "2026-11-03T00:00:00Z", "from"),
        ("2024-11-03T00:00:00Z", "2026-11-03T00:00:00Z", "from"),
        ("9999-12-31T23:10:00Z", "9999-12-31T23:59:59.999999Z", "to"),
        ("0001-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z", "from"),
        (None, "0001-01-01T00:00:00Z", "from"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(
    api: httpx.Client, store: Store, start: str | None, end: str, wrong: str
) -> None:
    parameters = {"to": end} | ({"from": start} if start else {})
    for path in (f"/jobs/{store()['id']}/stats", "/stats"):
        assert wrong_parameters(api.get(path, params=parameters)) == [wrong]


def test_of_a_job_that_is_not_there_nothing_is_told(
    api: httpx.Client, stranger: httpx.Client, store: Store
) -> None:
    problem(api.get(f"/jobs/{UUID(int=7 << 76)}/stats"), 404)
    problem(stranger.get(f"/jobs/{store()['id']}/stats"), 404)


def test_without_a_key_nothing_is_told(system: System) -> None:
    problem(httpx.get(f"{system.url}/stats"), 401)


def test_events_that_wait_are_in_the_metrics(system: System) -> None:
    assert "tocsin_waiting_run_events " in httpx.get(f"{system.url}/metrics").text


def test_rebuilding_from_the_command_line_changes_nothing_that_was_right(
    system: System, client: httpx.Client, make: Store
) -> None:
    path = f"/jobs/{make()['id']}/stats"
    wait_until(lambda: stats(client, path)["counts"]["succeeded"], what="it was counted")
    before = stats(client, path)
    last = system.run("stats", "rebuild").splitlines()[-1]
    services = last.rpartition(" of ")[2].rstrip(")")
    assert f"({services} of {services})" in last
    after = stats(client, path)
    assert after.pop("updated_at") >= before.pop("updated_at")
    assert after == before


def test_only_a_service_that_is_there_can_be_rebuilt(system: System) -> None:
    with pytest.raises(AssertionError, match="There is no service"):
        system.run("stats", "rebuild", "--service", str(UUID(int=7)))
    with pytest.raises(AssertionError, match="UUID"):
        system.run("stats", "rebuild", "--service", "x")
