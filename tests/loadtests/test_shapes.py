"""Shapes are phases one after the other."""

import pytest

from loadtests.locust.judging import Rings, judge, outcome_of
from loadtests.locust.shapes import SHAPES, SPIKE, Asked, phase_at, rate_at, starts_of
from loadtests.locust.tally import Second

ASKED = Asked(users=1_000)
ALL_RANG = Rings(triggered=1, missing=0)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_shape_warms_up_unjudged_and_then_judges(shape: str) -> None:
    first, *others = SHAPES[shape](ASKED)

    assert first.budget is None
    assert any(phase.budget for phase in others)
    assert all(phase.seconds > 0 and phase.rate > 0 for phase in (first, *others))


def test_the_warm_up_lasts_until_all_users_are_there() -> None:
    few, many = (SHAPES["steady"](Asked(users=users))[0] for users in (1, 10_000))

    assert many.seconds - few.seconds == 19


def test_rate_and_seconds_may_be_asked_for() -> None:
    phase = SHAPES["soak"](Asked(users=1, rate=7.0, seconds=9))[-1]

    assert (phase.rate, phase.seconds) == (7.0, 9)


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("rate", [0.5, 1.0, 20.0, 99.0])
def test_a_load_that_gets_the_rate_it_asks_for_passes(shape: str, rate: float) -> None:
    for phase in SHAPES[shape](Asked(users=1, rate=rate))[1:]:
        if phase.budget is None:
            continue
        # As many as a window of ten seconds has, the first a little late.
        asked = [0] * 10
        for number in range(int(phase.rate * 10)):
            asked[min(int((number + 0.9) / phase.rate), 9)] += 1
        good = outcome_of(phase, [Second(answered={5: count}) for count in asked])
        assert good.problems == [], phase.name


def test_what_is_usual_is_judged_as_it_was() -> None:
    for shape in SHAPES:
        for phase in SHAPES[shape](ASKED)[1:]:
            assert phase.budget is None or phase.budget.per_minute == 6_000.0


def test_a_slow_load_fails_by_its_own_rate() -> None:
    phases = SHAPES["steady"](Asked(users=1, rate=20.0))
    slow = outcome_of(phases[1], [Second(answered={5: 17})] * 45)
    (problem,) = judge("steady", [slow], 0, ALL_RANG)
    assert problem == "steady: 1,020 requests/min in the worst ten seconds"


def test_a_spike_is_ten_times_what_is_before_and_after() -> None:
    rates = [phase.rate for phase in SHAPES["spike"](ASKED)]

    assert rates[2] == SPIKE * rates[1]
    assert rates[1] == rates[-1]


def test_a_ramp_only_rises() -> None:
    rates = [phase.rate for phase in SHAPES["ramp"](ASKED)[1:]]

    assert rates == sorted(set(rates))
    assert rates[-1] > 10 * rates[0]


def test_phases_follow_each_other() -> None:
    phases = SHAPES["spike"](ASKED)

    for phase, start in zip(phases, starts_of(phases), strict=True):
        assert phase_at(phases, start) == phase
        assert phase_at(phases, start + phase.seconds - 0.01) == phase
        assert rate_at(phases, start) == phase.rate


def test_nothing_is_sent_when_all_is_over() -> None:
    phases = SHAPES["steady"](ASKED)
    end = sum(phase.seconds for phase in phases)

    assert phase_at(phases, end) is None
    assert rate_at(phases, end) == 0.0
