"""The autoscaler's formulas, and that what the manifests say holds through a day."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.scaling.autoscaler import SYNC_SECONDS, Autoscaler, Behaviour, Policy, recommended
from loadtests.scaling.choosing import (
    FIRES,
    REQUESTS,
    Scaled,
    api_outcome,
    read_scaled,
    worker_outcome,
)
from loadtests.scaling.day import MINUTES, Minute, read_day
from loadtests.scaling.deployments import POD_SECONDS, Costs, worker_day

SCALING = Path("loadtests/scaling")
MANIFEST = Path("k8s/overlays/production/autoscaling.yaml")
COSTS = msgspec.json.decode((SCALING / "costs.json").read_bytes(), type=Costs)
NARROW = Behaviour(least=2, most=10, up=(Policy(seconds=60, pods=1),), down_window=120)


@pytest.mark.parametrize(
    ("pods", "ratio", "wanted"),
    [(4, 2.0, 8), (4, 0.5, 2), (4, 1.09, 4), (4, 0.91, 4), (4, 1.11, 5), (3, 0.34, 2), (5, 0.0, 0)],
)
def test_a_metric_asks_for_pods_in_proportion(pods: int, ratio: float, wanted: int) -> None:
    assert recommended(pods, ratio) == wanted


def test_a_policy_bounds_how_fast_pods_come() -> None:
    scaler = Autoscaler(NARROW)
    pods = [scaler.decide(now, [10.0]) for now in range(0, 150, SYNC_SECONDS)]
    assert pods == [3, 3, 3, 3, 4, 4, 4, 4, 5, 5]


def test_the_highest_recommendation_of_the_window_holds() -> None:
    scaler = Autoscaler(Behaviour(least=1, most=10, down_window=60))
    assert scaler.decide(0, [4.0]) == 4
    assert [scaler.decide(now, [0.1]) for now in (15, 30, 45, 60)] == [4, 4, 4, 1]


def test_the_metric_that_asks_for_most_counts() -> None:
    assert Autoscaler(Behaviour(least=1, most=10)).decide(0, [0.2, 3.0, 1.0]) == 3


@given(
    ratios=st.lists(st.floats(0, 50), min_size=1, max_size=60),
    least=st.integers(1, 4),
    room=st.integers(0, 12),
)
def test_pods_stay_within_their_limits(ratios: list[float], least: int, room: int) -> None:
    scaler = Autoscaler(Behaviour(least=least, most=least + room))
    for step, ratio in enumerate(ratios):
        assert least <= scaler.decide(step * SYNC_SECONDS, [ratio]) <= least + room


def test_what_waits_is_served_by_the_pods_that_are_there() -> None:
    """20,000 at once on two workers of 1,000 fires/s each: ten seconds, then nothing is left."""
    costs = msgspec.structs.replace(COSTS, ring=0.001)
    day = [Minute(requests=0, fires=0, at_once=20_000)]
    fixed = Behaviour(least=2, most=2)
    moments = list(worker_day(day, costs, fixed, messages=2, oldest=1))
    assert [moment.waits for moment in moments[:11]] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]


def test_a_pod_serves_when_it_has_started() -> None:
    costs = msgspec.structs.replace(COSTS, ring=0.01)
    day = [Minute(requests=0, fires=60 * 1_000, at_once=0)]
    moments = list(worker_day(day, costs, Behaviour(least=1, most=8), messages=1, oldest=0.5))
    grown = next(moment.second for moment in moments if moment.ready > 1)
    assert grown == SYNC_SECONDS + POD_SECONDS


def test_what_the_manifests_say_holds_through_the_day() -> None:
    day, scaled = read_day(SCALING / "day.csv"), read_scaled(MANIFEST)
    assert api_outcome(day, COSTS, scaled["tocsin-api"]).holds(REQUESTS)
    assert worker_outcome(day, COSTS, scaled["tocsin-worker"]).holds(FIRES)


def test_thresholds_that_never_scale_do_not_hold() -> None:
    day, scaled = read_day(SCALING / "day.csv"), read_scaled(MANIFEST)
    lazy = Scaled(behaviour=scaled["tocsin-worker"].behaviour, thresholds=(1_000, 1_000))
    assert not worker_outcome(day, COSTS, lazy).holds(FIRES)


def test_a_recorded_day_must_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("requests,fires,at_once\n1,2,3\n")
    with pytest.raises(ValueError, match=f"1 minutes; a day has {MINUTES}"):
        read_day(path)
