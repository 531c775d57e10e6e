"""Histories: one in which nothing is wrong, and what is planted into it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from tests.chaos.history import (
    Attempt,
    AuditRow,
    Backfill,
    Complaint,
    Delivery,
    Fault,
    History,
    Job,
    JobRow,
    LedgerRow,
    Op,
    Run,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
COUNT = 6


def at(seconds: float) -> datetime:
    return NOON + seconds * SECOND


def a_run(number: int, **changes: Any) -> Run:
    """The run of the fire time `number` seconds after noon, as it should be."""
    instant = at(number)
    return replace(
        Run(
            id=f"run-{number}",
            job_id="job",
            scheduled_for=instant,
            due_at=instant,
            trigger="schedule",
            state="succeeded",
            overlap="buffer_all",
            attempt_count=1,
            started_at=instant,
            finished_at=instant + SECOND / 10,
            lateness_ms=1.0,
        ),
        **changes,
    )


def an_attempt(run: int, **changes: Any) -> Attempt:
    made = Attempt(
        run_id=f"run-{run}",
        number=1,
        started_at=at(run),
        finished_at=at(run + 0.1),
        outcome="succeeded",
        status_code=200,
    )
    return replace(made, **changes)


def a_delivery(second: float, run: int | None = None, **changes: Any) -> Delivery:
    made = Delivery(
        webhook_id=f"run-{second if run is None else run}",
        attempt=1,
        path="/ok/job",
        arrived_at=at(second),
        arrived=1_000.0 + second,
        ended=1_000.1 + second,
        status=200,
    )
    return replace(made, **changes)


def good() -> History:
    """A job that fires each second, six times, until it was paused."""
    numbers = range(1, COUNT + 1)
    return History(
        seed=0,
        begun_at=NOON,
        judged_to=at(COUNT + 0.5),
        jobs={
            "job": Job(id="job", service_id="service", body={"schedule": {"every": 1}}, name="job")
        },
        job_rows={"job": JobRow(id="job", paused=True, has_next=False, run_count=0)},
        audit=[AuditRow(object_id="job", action="job.created", at=at(0.5))],
        runs=[a_run(number) for number in numbers],
        attempts=[an_attempt(number) for number in numbers],
        deliveries=[a_delivery(number) for number in numbers],
        service_stats={"service": {"succeeded": COUNT}},
    )


def lost(history: History) -> None:
    del history.runs[2], history.attempts[2], history.deliveries[2]
    history.service_stats["service"]["succeeded"] -= 1


def doubled(history: History) -> None:
    history.ledger.append(told(3, "missed"))
    history.faults.append(a_fault("kill"))


def invented(history: History) -> None:
    history.runs[2] = replace(history.runs[2], scheduled_for=at(2.5), due_at=at(2.5))
    history.ledger.append(told(3, "cancelled"))


def missed_for_nothing(history: History) -> None:
    lost(history)
    history.ledger.append(told(3, "missed"))


def miscounted_stretch(history: History) -> None:
    lost(history)
    history.ledger.append(told(3, "cancelled", count=2))


def told(second: int, outcome: str, *, count: int = 1) -> LedgerRow:
    return LedgerRow(job_id="job", first=at(second), last=at(second), outcome=outcome, count=count)


def a_fault(kind: str) -> Fault:
    return Fault(kind=kind, target="it: worker-0", begun_at=at(1), healed_at=at(4))


def once_too_often(history: History) -> None:
    _with_schedule(history, {"every": 1, "max_runs": COUNT - 1})


def ended_too_soon(history: History) -> None:
    _with_schedule(history, {"every": 1, "max_runs": COUNT + 1})
    history.job_rows["job"] = JobRow(id="job", paused=False, has_next=False, run_count=COUNT)


def went_on_after_its_end(history: History) -> None:
    history.ops.append(_op("pause", 409))


def ended_without_an_end(history: History) -> None:
    history.job_rows["job"] = JobRow(id="job", paused=False, has_next=False, run_count=0)


def _with_schedule(history: History, schedule: dict[str, Any]) -> None:
    history.jobs["job"] = replace(history.jobs["job"], body={"schedule": schedule})


def unknown_delivery(history: History) -> None:
    history.deliveries.append(a_delivery(3.5, webhook_id="nobody"))


def delivered_twice(history: History) -> None:
    history.deliveries.append(a_delivery(3.2, run=3))


def never_delivered(history: History) -> None:
    del history.deliveries[2]


def said_not_to_have_rung(history: History) -> None:
    history.runs[2] = replace(
        history.runs[2], attempt_count=0, started_at=None, lateness_ms=None, state="cancelled"
    )
    del history.attempts[2]
    history.service_stats["service"] = {"succeeded": COUNT - 1, "cancelled": 1}


def too_early(history: History) -> None:
    history.deliveries[2] = a_delivery(2.7, run=3)


def early_by_a_wrong_clock(history: History) -> None:
    """Within the bound of clocks this is right; beyond, it is not."""
    history.faults.append(a_fault("clock"))
    history.deliveries[0] = a_delivery(-0.5, run=1)


def together(history: History) -> None:
    history.deliveries[2] = replace(history.deliveries[2], ended=1_004.5)


def out_of_order(history: History) -> None:
    history.deliveries[2] = a_delivery(4.5, run=3)


def left_open(history: History) -> None:
    history.runs[2] = replace(history.runs[2], state="running", is_open=True, finished_at=None)
    history.service_stats["service"]["succeeded"] -= 1


def gap_between_attempts(history: History) -> None:
    history.runs[2] = replace(history.runs[2], attempt_count=3)


def negative_lateness(history: History) -> None:
    history.runs[2] = replace(history.runs[2], lateness_ms=-4_000.0)


def begun_before_due(history: History) -> None:
    history.runs[2] = replace(history.runs[2], started_at=at(2))


def miscounted(history: History) -> None:
    history.service_stats["service"]["succeeded"] += 1


def late_for_nothing(history: History) -> None:
    history.runs[2] = replace(history.runs[2], overlap="allow_all")
    history.deliveries[2] = a_delivery(9, run=3)


def _op(kind: str, status: int | None = 200, **answer: Any) -> Op:
    return Op(
        number=1,
        kind=kind,
        service_id="service",
        sent_at=at(3),
        ended_at=at(3),
        status=status,
        job_id="job",
        answer=answer,
    )


def lost_trigger(history: History) -> None:
    history.ops.append(_op("trigger", 202, id="run-99"))


def trigger_that_rang_twice(history: History) -> None:
    history.runs += [_by_hand(7), _by_hand(8)]
    history.attempts += [an_attempt(7), an_attempt(8)]
    history.deliveries += [a_delivery(7), a_delivery(8)]
    history.service_stats["service"]["succeeded"] += 2
    history.ops.append(_op("trigger", 202, id="run-7"))


def _by_hand(number: int) -> Run:
    return a_run(number, trigger="manual", overlap="allow_all")


def lost_edit(history: History) -> None:
    history.ops.append(_op("patch", updated_at=at(3).isoformat()))


def lost_job(history: History) -> None:
    history.jobs["other"] = Job(
        id="other", service_id="service", body={"schedule": {"every": 60}}, name="other"
    )


def job_of_nobody(history: History) -> None:
    history.audit.append(AuditRow(object_id="other", action="job.created", at=at(1)))


def gap_in_a_backfill(history: History) -> None:
    history.backfills.append(
        Backfill(
            id="backfill",
            job_id="job",
            start_at=at(1),
            end_at=at(3),
            only_missing=False,
            state="completed",
            total=2,
            created_at=at(5),
        )
    )
    history.runs.append(
        a_run(1, id="run-7", trigger="backfill", generation=1, backfill_id="backfill")
    )
    history.attempts.append(an_attempt(7))
    history.deliveries.append(a_delivery(7))
    history.service_stats["service"]["succeeded"] += 1


def seen_on_the_spot(history: History) -> None:
    history.complaints.append(Complaint(promise="own_writes", at=at(2), said="it was old"))
