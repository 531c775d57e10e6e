"""Whoever breaks a budget does not pass, and the knee is where that begins."""

import pytest
from msgspec.structs import replace

from loadtests.locust.judging import (
    PhaseOutcome,
    Rings,
    judge,
    knee_of,
    least_per_minute,
    outcome_of,
    outcomes_of,
    percentiles,
)
from loadtests.locust.shapes import Budget, Phase
from loadtests.locust.tally import Second, Tally

BUDGET = Budget(p95_ms=100.0, p99_ms=200.0)
STEADY = Phase(name="steady", seconds=20, rate=100.0, budget=BUDGET)
WARM_UP = Phase(name="warm-up", seconds=5, rate=100.0)
ALL_RANG = Rings(triggered=10, missing=0)


def outcome(*slow: int, each: int = 100, failed: int = 0) -> PhaseOutcome:
    """20 seconds of so many fast answers each, and some slow ones more."""
    seconds = [Second(answered={5: each}) for _ in range(20)]
    for milliseconds in slow:
        seconds[0].answered[milliseconds] = seconds[0].answered.get(milliseconds, 0) + 1
    seconds[1].failed = failed
    return outcome_of(STEADY, seconds)


def test_a_load_within_all_budgets_passes() -> None:
    assert judge("steady", [outcome()], 0, ALL_RANG) == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (outcome(each=99), "5,940 requests/min"),
        (outcome(*[150] * 150), "p95 150 ms"),
        (outcome(*[300] * 30), "p99 300 ms"),
        (outcome(failed=1), "1 requests failed"),
    ],
)
def test_each_budget_is_judged(broken: PhaseOutcome, why: str) -> None:
    (problem,) = judge("steady", [broken], 0, ALL_RANG)

    assert problem.startswith(f"steady: {why}")


def test_one_slow_window_is_found_among_fast_ones() -> None:
    counts = [200] * 10 + [50] * 10 + [200] * 10

    assert least_per_minute([Second(answered={1: count}) for count in counts]) == 3_000


def test_a_window_is_not_bound_to_tens() -> None:
    counts = [200] * 5 + [0] * 10 + [200] * 5

    assert least_per_minute([Second(answered={1: count}) for count in counts]) == 0


def test_a_failure_is_one_wherever_it_happens() -> None:
    assert judge("steady", [outcome()], 1, ALL_RANG) == ["1 requests failed"]


def test_a_run_that_did_not_ring_is_a_failure() -> None:
    (problem,) = judge("steady", [outcome()], 0, Rings(triggered=10, missing=1))

    assert problem == "1 of 10 triggered runs did not ring"


def test_what_the_sink_forgot_cannot_be_judged() -> None:
    assert judge("steady", [outcome()], 0, Rings(triggered=10, missing=0, forgotten=3))


def test_a_load_that_was_never_judged_does_not_pass() -> None:
    assert judge("steady", [], 0, Rings(triggered=0, missing=0))


def test_a_warm_up_is_judged_for_errors_only() -> None:
    slow = replace(outcome(*[900] * 500), phase=WARM_UP)

    assert slow.problems == []
    assert replace(slow, failed=2).problems == ["2 requests failed"]


def stage(rate: float, *, reached: float | None = None, p99: float = 50.0) -> PhaseOutcome:
    return replace(
        outcome(), phase=replace(STEADY, rate=rate), per_second=reached or rate, p99_ms=p99
    )


def test_the_knee_is_the_last_stage_before_the_first_bad_one() -> None:
    stages = [replace(stage(50.0), phase=WARM_UP), stage(100.0), stage(125.0)]
    stages += [stage(156.0, p99=201.0), stage(195.0)]

    knee = knee_of(stages)

    assert knee is not None
    assert knee.phase.rate == 125.0


def test_a_rate_that_is_not_reached_is_beyond_the_knee() -> None:
    knee = knee_of([stage(100.0), stage(125.0, reached=101.0)])

    assert knee is not None
    assert knee.phase.rate == 100.0


def test_a_ramp_passes_beyond_its_knee_but_not_without_one() -> None:
    good, bad = stage(100.0), stage(125.0, p99=900.0)

    assert judge("ramp", [good, bad], 0, ALL_RANG) == []
    assert judge("ramp", [bad], 0, ALL_RANG) == ["even the first stage is beyond the knee"]


def test_seconds_belong_to_the_phase_that_has_all_of_them() -> None:
    tally = Tally()
    for at in range(100, 140):
        tally.answered(at + 0.5, 1_000.0 if at < 106 else 5.0)

    warm_up, steady = outcomes_of([WARM_UP, STEADY], 100.7, tally)

    assert (warm_up.requests, warm_up.p50_ms) == (4, 1_000)
    assert (steady.requests, steady.most_ms) == (19, 5)


def test_a_phase_that_was_not_reached_has_no_outcome() -> None:
    tally = Tally()
    tally.answered(100.5, 1.0)

    assert [one.phase for one in outcomes_of([WARM_UP, STEADY], 100.0, tally)] == [WARM_UP]


def test_seconds_without_any_answer_count() -> None:
    tally = Tally()
    for at in (105.5, 124.5):
        tally.answered(at, 1.0)

    assert outcomes_of([WARM_UP, STEADY], 100.0, tally)[1].least_per_minute < 7


@pytest.mark.parametrize(("share", "value"), [(0.5, 1), (0.98, 1), (0.99, 2), (1.0, 3)])
def test_percentiles_of_what_was_counted(share: float, value: float) -> None:
    assert percentiles({3: 1, 1: 98, 2: 1}, [share]) == [value]


def test_no_answers_have_no_percentiles() -> None:
    assert percentiles({}, [0.5, 1.0]) == [0.0, 0.0]


def test_tallies_of_several_machines_add_up() -> None:
    one, other = Tally(triggered=["a"]), Tally(triggered=["b"])
    one.answered(7.1, 3.0)
    other.answered(7.9, 3.4)
    other.failed(8.0)

    one.add(other.take())

    assert one.seconds == {7: Second(answered={3: 2}), 8: Second(failed=1)}
    assert (one.triggered, one.failures) == (["a", "b"], 1)
    assert other == Tally()
