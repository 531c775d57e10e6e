"""The checks find what is wrong: each is shown a history in which one thing is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.chaos import planted
from tests.chaos.checks import violations_of
from tests.chaos.eras import OWED_AT_DELETION
from tests.chaos.history import AuditRow, Fault, History, LedgerRow, Op, Pressure
from tests.chaos.planted import (
    COUNT,
    a_delivery,
    a_fault,
    an_attempt,
    at,
    good,
    told,
)
from tests.chaos.pressure import of_load

PLANTED: list[tuple[Callable[[History], None], str]] = [
    (planted.lost, "accounting"),
    (planted.doubled, "accounting"),
    (planted.invented, "accounting"),
    (planted.missed_for_nothing, "accounting"),
    (planted.miscounted_stretch, "accounting"),
    (planted.once_too_often, "max_runs"),
    (planted.ended_too_soon, "max_runs"),
    (planted.went_on_after_its_end, "max_runs"),
    (planted.ended_without_an_end, "max_runs"),
    (planted.unknown_delivery, "deliveries"),
    (planted.delivered_twice, "deliveries"),
    (planted.never_delivered, "deliveries"),
    (planted.said_not_to_have_rung, "deliveries"),
    (planted.too_early, "deliveries"),
    (planted.early_by_a_wrong_clock, "deliveries"),
    (planted.together, "overlap"),
    (planted.out_of_order, "overlap"),
    (planted.left_open, "states"),
    (planted.gap_between_attempts, "states"),
    (planted.negative_lateness, "states"),
    (planted.begun_before_due, "states"),
    (planted.miscounted, "statistics"),
    (planted.late_for_nothing, "lateness"),
    (planted.lost_trigger, "accepted"),
    (planted.trigger_that_rang_twice, "accepted"),
    (planted.lost_edit, "accepted"),
    (planted.lost_job, "accepted"),
    (planted.job_of_nobody, "accepted"),
    (planted.gap_in_a_backfill, "accepted"),
    (planted.seen_on_the_spot, "own_writes"),
]


def found(history: History) -> set[str]:
    return {one.promise for one in violations_of(history)}


def test_nothing_is_wrong_with_what_is_good() -> None:
    assert violations_of(good()) == []


@pytest.mark.parametrize(
    ("plant", "promise"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED]
)
def test_what_is_planted_is_found(plant: Callable[[History], None], promise: str) -> None:
    history = good()
    plant(history)
    assert found(history) == {promise}


def test_an_attempt_that_was_given_up_may_ring_on() -> None:
    history = good()
    planted.together(history)
    history.attempts[2] = an_attempt(3, outcome="abandoned", status_code=None)
    history.attempts.append(an_attempt(3, number=2, started_at=at(3.6), finished_at=at(3.7)))
    history.deliveries.append(a_delivery(3.6, run=3, attempt=2, arrived=1_003.6, ended=1_003.7))
    history.runs[2] = replace(history.runs[2], attempt_count=2)
    assert found(history) == set()


def test_a_fault_explains_what_is_late_or_missed() -> None:
    history = good()
    planted.lost(history)
    history.ledger.append(told(3, "coalesced"))
    history.runs[3] = replace(history.runs[3], overlap="allow_all")
    history.deliveries[3] = a_delivery(12, run=5)
    history.faults.append(a_fault("stop"))
    assert found(history) == set()


def test_a_fault_explains_no_more_than_it_may_cost() -> None:
    history = good()
    history.runs[2] = replace(history.runs[2], overlap="allow_all")
    history.deliveries[2] = a_delivery(25, run=3)
    history.faults.append(
        Fault(kind="stop", target="stop_in_claim: dispatcher-1", begun_at=at(2.5), healed_at=at(24))
    )
    assert found(history) == {"lateness"}


def test_a_pause_that_goes_on_leaves_out_what_ran() -> None:
    history = good()
    history.ledger.append(LedgerRow(job_id="job", first=at(COUNT - 1), last=None, outcome="paused"))
    assert found(history) == set()


@pytest.mark.parametrize(("began", "expected"), [(5, set()), (5.5, {"accounting"})])
def test_what_began_before_an_edit_was_done_stays(began: float, expected: set[str]) -> None:
    history = good()
    history.patches["edit"] = {"schedule": {"every": 2}}
    details = {"changed": ["schedule"], "after": {"description": "edit"}}
    history.audit.append(
        AuditRow(object_id="job", action="job.updated", at=at(4.9), details=details)
    )
    history.runs[4] = replace(history.runs[4], scheduled_for=at(began), due_at=at(began))
    history.runs[4] = replace(history.runs[4], started_at=at(began), finished_at=at(began + 0.1))
    history.deliveries[4] = a_delivery(began, run=5)
    assert found(history) == expected


@pytest.mark.parametrize(("most", "expected"), [(6, set()), (7, {"accounting"})])
def test_what_an_edit_withdrew_had_been_claimed(most: int, expected: set[str]) -> None:
    history = good()
    _edited(history, {"every": 1, "max_runs": most}, {"every": 60}, asked=7.5, answered=7.6)
    history.judged_to = at(7.2)
    for second in (5, 6):
        del history.runs[4], history.attempts[4], history.deliveries[4]
        history.ledger.append(told(second, "cancelled"))
    history.service_stats["service"]["succeeded"] -= 2
    assert found(history) == expected


@pytest.mark.parametrize(("answered", "expected"), [(3.2, set()), (2.7, {"max_runs"})])
def test_what_was_claimed_while_an_edit_waited_is_not_of_the_new_schedule(
    answered: float, expected: set[str]
) -> None:
    history = good()
    after = {"every": 1, "max_runs": 3}
    _edited(history, {"every": 1}, after, asked=2.5, answered=answered)
    assert found(history) == expected


def _edited(
    history: History,
    before: dict[str, object],
    after: dict[str, object],
    *,
    asked: float,
    answered: float,
) -> None:
    """The job has one schedule, and is asked for another, which holds when that is answered."""
    history.jobs["job"] = replace(history.jobs["job"], body={"schedule": before})
    history.patches["edit"] = {"schedule": after}
    details = {"changed": ["schedule"], "after": {"description": "edit"}}
    history.audit.append(
        AuditRow(object_id="job", action="job.updated", at=at(asked), details=details)
    )
    history.ops.append(
        Op(
            number=1,
            kind="patch",
            service_id="service",
            sent_at=at(asked),
            ended_at=at(answered),
            status=200,
            job_id="job",
            answer={"updated_at": at(asked).isoformat()},
        )
    )


@pytest.mark.parametrize(("count", "expected"), [(1, set()), (2, {"accounting"})])
def test_a_job_may_be_paused_long_after_what_is_owed(count: int, expected: set[str]) -> None:
    history = good()
    late = 15 * 60
    history.audit.append(AuditRow(object_id="job", action="job.paused", at=at(late)))
    history.ledger.append(told(late, "paused", count=count))
    assert found(history) == expected


def _busy(history: History, percent: float) -> None:
    history.pressures = [Pressure(at=at(second), percent=percent) for second in range(-10, 20)]


@pytest.mark.parametrize(("percent", "is_told"), [(50, True), (90, False)])
def test_what_is_late_where_nobody_gets_a_processor_is_not_judged(
    percent: float, is_told: bool
) -> None:
    for plant, promise in (
        (planted.late_for_nothing, "lateness"),
        (planted.missed_for_nothing, "accounting"),
    ):
        history = good()
        plant(history)
        _busy(history, percent)
        assert found(history) == ({promise} if is_told else set())


def test_pressure_does_not_explain_what_is_lost() -> None:
    for plant, promise in ((planted.lost, "accounting"), (planted.too_early, "deliveries")):
        history = good()
        plant(history)
        _busy(history, 99)
        assert found(history) == {promise}


def test_where_the_machine_is_too_busy_what_is_open_is_not_judged() -> None:
    history = good()
    planted.left_open(history)
    history.runs[2] = replace(history.runs[2], attempt_count=0)
    planted.miscounted(history)
    history.attempts = [one for one in history.attempts if one.run_id != history.runs[2].id]
    assert found(history) == {"states", "statistics", "deliveries"}
    history.too_busy = True
    assert found(history) == set()
    planted.delivered_twice(history)
    assert found(history) == {"deliveries"}


@pytest.mark.parametrize(("load", "cores", "expected"), [(0, 2, 0), (2, 2, 0), (8, 2, 75)])
def test_a_load_is_told_as_pressure(load: float, cores: int, expected: float) -> None:
    assert of_load(load, cores) == expected


@pytest.mark.parametrize(("excluded", "expected"), [("3", {"accounting"}), ("5,6", set())])
def test_an_exclusion_in_which_a_job_is_deleted_need_not_be_told_of(
    excluded: str, expected: set[str]
) -> None:
    history = good()
    body = {"schedule": {"every": 1, "exclude": [{"cron": f"{excluded} * * * * *"}]}}
    history.jobs["job"] = replace(history.jobs["job"], body=body)
    gone = [int(second) for second in excluded.split(",")]
    history.runs = [run for run in history.runs if run.scheduled_for.second not in gone]
    left = {run.id for run in history.runs}
    history.attempts = [one for one in history.attempts if one.run_id in left]
    history.deliveries = [one for one in history.deliveries if one.webhook_id in left]
    history.service_stats["service"]["succeeded"] = len(left)
    deletion = AuditRow(object_id="job", action="job.deleted", at=at(COUNT) + OWED_AT_DELETION)
    history.audit.append(deletion)
    del history.job_rows["job"]
    assert found(history) == expected


@pytest.mark.parametrize(("paused_at", "expected"), [(3.5, set()), (2.5, {"accounting"})])
def test_a_run_that_a_pause_withdrew_counted_until_then(
    paused_at: float, expected: set[str]
) -> None:
    """Two runs and the one that was withdrawn are all three: nothing is owed behind them."""
    history = good()
    body = {"schedule": {"every": 1, "max_runs": 3}}
    history.jobs["job"] = replace(history.jobs["job"], body=body)
    del history.runs[2:], history.attempts[2:], history.deliveries[2:]
    history.service_stats["service"]["succeeded"] = 2
    history.ledger.append(planted.told(3, "paused"))
    history.audit.append(AuditRow(object_id="job", action="job.paused", at=at(paused_at)))
    assert found(history) == expected
