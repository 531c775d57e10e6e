"""What was accepted was done, once; a key that is sent again does nothing further."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from tests.chaos.eras import Era, eras_of
from tests.chaos.history import Backfill, History, Op, Run, Violation, grouped
from tests.chaos.nominal import TICK, instants, parsed

MAKES_RUN = ("trigger", "replay")


def check(history: History) -> Iterator[Violation]:
    """Judge the calls by what is stored."""
    yield from _written(history)
    yield from _created(history)
    yield from _rung_by_hand(history)
    yield from _filled_in(history)


def _written(history: History) -> Iterator[Violation]:
    """Each accepted change of a job is in the audit, at the instant that the answer tells."""
    changes = {(row.object_id, row.at) for row in history.audit}
    for op in history.ops:
        if op.kind not in ("pause", "resume", "patch") or not op.accepted or not op.job_id:
            continue
        if (op.job_id, parsed(op.answer["updated_at"])) not in changes:
            yield _violation(op, f"{op.kind} was accepted, and is not there")


def _created(history: History) -> Iterator[Violation]:
    made = Counter(row.object_id for row in history.audit if row.action == "job.created")
    strangers = [job_id for job_id in made if job_id not in history.jobs]
    unknown = sum(op.kind == "create" and op.is_unknown for op in history.ops)
    for job_id in strangers[unknown:]:
        said = f"job {job_id} was created, and nobody was told of it"
        yield Violation(promise="accepted", said=said, job_id=job_id)
    for job in history.jobs.values():
        if job.id not in made:
            said = f"job {job.name} was accepted, and is not there"
            yield Violation(promise="accepted", said=said, job_id=job.id)
    names = Counter(job.name for job in history.jobs.values())
    for name, times in names.items():
        if name and times > 1:
            said = f"{times} jobs were made of one request: {name}"
            yield Violation(promise="accepted", said=said)


def _rung_by_hand(history: History) -> Iterator[Violation]:
    runs = {run.id: run for run in history.runs}
    by_job = history.runs_of()
    calls: dict[str, list[Op]] = {}
    for op in history.ops:
        if op.kind in MAKES_RUN and op.accepted and op.answer["id"] not in runs:
            yield _violation(op, f"run {op.answer['id']} was accepted, and is not there")
        if op.kind == "trigger" and op.job_id:
            calls.setdefault(op.job_id, []).append(op)
    for job_id, ops in calls.items():
        least = sum(op.accepted for op in ops)
        most = least + sum(op.is_unknown for op in ops)
        made = sum(run.trigger == "manual" for run in by_job.get(job_id, []))
        if not least <= made <= most:
            said = f"{made} runs by hand, of {least} to {most} triggers"
            yield Violation(promise="accepted", said=said, job_id=job_id, at=ops[0].sent_at)


def _filled_in(history: History) -> Iterator[Violation]:
    """A completed backfill has one run of each instant that it was to fill in."""
    audit = grouped(history.audit, "object_id")
    by_backfill = grouped([run for run in history.runs if run.backfill_id], "backfill_id")
    by_job, ledger = history.runs_of(), grouped(history.ledger, "job_id")
    for one in history.backfills:
        made = Counter(run.scheduled_for for run in by_backfill.get(one.id, []))
        edited = any(
            row.action == "job.updated" and "schedule" in row.details["changed"]
            for row in audit.get(one.job_id, [])
        )
        if max(made.values(), default=0) > 1:
            yield _of_backfill(one, "it made two runs of one instant")
        if edited or one.state != "completed" or one.job_id not in history.jobs:
            continue
        job = history.jobs[one.job_id]
        era, *others = eras_of(job, history, audit[one.job_id], history.judged_to)
        if others:  # saved again as it was
            continue
        wanted = _wanted(one, era)
        had = _had(by_job.get(one.job_id, []), one) if one.only_missing else set()
        if one.only_missing:  # it had a run then, which was withdrawn before it began
            rows = ledger.get(one.job_id, [])
            had |= {instant for instant in wanted if any(row.covers(instant) for row in rows)}
        if not wanted - had <= set(made) <= wanted:
            said = (
                f"it made {len(made)} runs of {len(wanted)} instants, {len(had)} were not missing"
            )
            yield _of_backfill(one, said)


def _wanted(one: Backfill, era: Era) -> set[datetime]:
    named = instants(era.schedule, era.accepted_at, one.start_at - TICK, one.end_at - TICK)
    return {instant for instant in named if not era.is_excluded(instant)}


def _had(runs: list[Run], backfill: Backfill) -> set[datetime]:
    """Instants that may not have been missing while the backfill went on.

    They have a run that succeeded, some of them meanwhile, or one of another origin that was open.
    """
    return {
        run.scheduled_for
        for run in runs
        if run.state == "succeeded"
        or (
            run.backfill_id != backfill.id
            and (run.finished_at is None or run.finished_at >= backfill.created_at)
        )
    }


def _of_backfill(one: Backfill, said: str) -> Violation:
    text = f"backfill {one.id}: {said}"
    return Violation(promise="accepted", said=text, at=one.created_at, job_id=one.job_id)


def _violation(op: Op, said: str) -> Violation:
    return Violation(promise="accepted", said=said, at=op.sent_at, job_id=op.job_id)
