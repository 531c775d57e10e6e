"""What an attempt tells of its target."""

from __future__ import annotations

import pytest

from domain.runs.run import Outcome
from domain.targets import reached_by
from domain.targets.health.health_signal import HealthSignal, signal_of
from domain.targets.kinds.actor import ActorTarget
from domain.targets.kinds.http import HttpTarget


@pytest.mark.parametrize(
    ("status", "slow", "broken"),
    [
        (200, False, False),
        (302, False, False),
        (404, False, False),
        (410, False, False),
        (429, True, False),
        (500, False, True),
        (501, False, True),
        (502, True, True),
        (503, True, True),
        (504, True, True),
        (599, False, True),
    ],
)
def test_a_status_tells_whether_it_has_too_much_or_is_broken(status, slow, broken):
    outcome = Outcome.SUCCEEDED if status == 200 else Outcome.FAILED
    assert signal_of(outcome, status, at_fault=False) == HealthSignal(slow=slow, broken=broken)


def test_without_a_status_it_depends():
    assert signal_of(Outcome.TIMED_OUT, None, at_fault=False) == HealthSignal(
        slow=True, broken=True
    )
    assert signal_of(Outcome.TIMED_OUT, 200, at_fault=False) == HealthSignal(slow=True, broken=True)
    assert signal_of(Outcome.FAILED, None, at_fault=True) == HealthSignal(slow=False, broken=True)
    assert signal_of(Outcome.FAILED, None, at_fault=False) is None
    assert signal_of(Outcome.ABANDONED, None, at_fault=False) is None


def test_an_answer_that_is_not_complete_is_no_sign_of_health():
    assert signal_of(Outcome.FAILED, 200, at_fault=True) == HealthSignal(slow=False, broken=True)
    assert signal_of(Outcome.FAILED, 200, at_fault=False) == HealthSignal(slow=False, broken=False)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com/run", "https://example.com"),
        ("https://example.com:443?x=/y", "https://example.com"),
        ("http://example.com:8443#/x", "http://example.com:8443"),
        ("http://[::1]:80/x", "http://[::1]"),
    ],
)
def test_urls_of_one_origin_reach_the_same(url, origin):
    assert reached_by(HttpTarget(url=url)) == ("http", origin)


def test_an_actor_is_reached_by_its_name():
    assert reached_by(ActorTarget(actor="log")) == ("actor", "log")
