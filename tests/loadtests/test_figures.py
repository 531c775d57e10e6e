"""Percentiles, bars, and the comparison of arrivals with instants."""

from datetime import UTC, datetime

import pytest

from loadtests.arrivals import Arrival, Arrivals
from loadtests.cpu import role_of
from loadtests.figures import Figure, rounded
from loadtests.latency import spread_of
from loadtests.one_shots import fired

DUE = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)


def arrivals(*seen: tuple[str, int, float]) -> Arrivals:
    """Arrivals by webhook-id, job number and milliseconds after they were due."""
    record = Arrivals()
    for webhook_id, n, late_ms in seen:
        at = int(DUE.timestamp() * 1e9 + late_ms * 1e6)
        record.record(Arrival(webhook_id, "1", at, f"/ok?n={n}", 200))
    return record


def test_percentiles() -> None:
    spread = spread_of(range(101))

    assert (spread.least, spread.p50, spread.p99, spread.most) == (0, 50, 99, 100)


def test_no_sample_spreads_nowhere() -> None:
    assert spread_of([]).most == 0


@pytest.mark.parametrize(("value", "better", "passes"), [(3, "higher", True), (3, "lower", False)])
def test_bars(value: float, better: str, passes: bool) -> None:
    figure = Figure("burst", "fires", value, "/s", 2.0, "higher" if better == "higher" else "lower")

    assert figure.passes is passes


@pytest.mark.parametrize(
    ("value", "text"), [(12_345.6, "12,346"), (4.407, "4.41"), (0.01234, "0.0123"), (0, "0")]
)
def test_rounds_for_reading(value: float, text: str) -> None:
    assert rounded(value) == text


def test_all_rang_once() -> None:
    result = fired(arrivals(("a", 0, 1.0), ("b", 1, 3.0)).report(), [DUE, DUE])

    assert result.problems("burst") == []
    assert (round(result.lateness.least), round(result.lateness.most)) == (1, 3)


def test_lost_doubled_and_early_fires_are_problems() -> None:
    seen = arrivals(("a", 0, 1.0), ("other run", 0, 1.0), ("b", 1, -5.0), ("b", 1, 1.0))

    result = fired(seen.report(), [DUE] * 3)

    assert (result.lost, result.doubled, result.early) == (1, 2, 1)
    assert len(result.problems("burst")) == 3


@pytest.mark.parametrize(
    ("arguments", "role"),
    [
        (["/usr/bin/python", "-m", "app.cli", "worker"], "worker"),
        (["/opt/bin/postgres", "-D", "/data/servers/replica"], "replica"),
        (["postgres: walsender"], "primary"),
        (["/opt/valkey-server", "*:0"], "valkey"),
        ([], "api"),
    ],
)
def test_role_of_a_process(arguments: list[str], role: str) -> None:
    inherited = "primary" if arguments[:1] == ["postgres: walsender"] else "api"

    assert role_of(arguments, inherited) == role
