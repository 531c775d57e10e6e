"""A job rings as often as its schedule says, not once more, and does not end before."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.eras import Era, eras_of, horizon_of
from tests.chaos.history import LET_GO, AuditRow, History, Run, Violation, grouped


def check(history: History) -> Iterator[Violation]:
    """Judge the jobs by their eras."""
    audit, runs = grouped(history.audit, "object_id"), history.runs_of()
    horizon = horizon_of(history)
    yield from _after_the_end(history, audit, runs)
    for job in history.jobs.values():
        eras = eras_of(job, history, audit.get(job.id, []), horizon)
        before: Era | None = None
        for era in eras:
            most = era.schedule.get("max_runs")
            mine = [
                run
                for run in runs.get(job.id, [])
                if run.trigger == "schedule"
                and run.state not in LET_GO
                and (era.after < run.scheduled_for <= era.to and era.names(run.scheduled_for))
            ]
            counted = len(mine)
            # What the schedule before may have named is not surely of this one.
            sure = sum(before is None or not _is_of(before, run) for run in mine)
            before = era
            if most is not None and sure > most:
                said = f"{sure} runs count, {most} are all"
                yield Violation(promise="max_runs", said=said, at=era.accepted_at, job_id=job.id)
        row = history.job_rows.get(job.id)
        if row is None or row.paused or row.has_next or not eras:
            continue
        schedule = eras[-1].schedule
        most = schedule.get("max_runs")
        if most is not None and counted < most and "end_at" not in schedule:
            said = f"it is at its end after {counted} of {most} runs"
            yield Violation(promise="max_runs", said=said, at=eras[-1].accepted_at, job_id=job.id)
        if (
            most is None
            and ("every" in schedule or "cron" in schedule)
            and ("end_at" not in schedule)
        ):
            said = "it is at its end, though its schedule goes on"
            yield Violation(promise="max_runs", said=said, at=eras[-1].accepted_at, job_id=job.id)


def _is_of(before: Era, run: Run) -> bool:
    """Whether a run may have been claimed while the edit waited that ended an era."""
    return run.scheduled_for <= before.held_to and before.names(run.scheduled_for)


def _after_the_end(
    history: History, audit: dict[str, list[AuditRow]], runs: dict[str, list[Run]]
) -> Iterator[Violation]:
    """Fire times that come though a pause was refused, as none was left."""
    for op in history.ops:
        if op.kind not in ("pause", "last_pause") or op.status != 409 or op.job_id is None:
            continue
        if any(row.at >= op.sent_at for row in audit.get(op.job_id, [])):
            continue  # it was changed after that
        later = [
            run
            for run in runs.get(op.job_id, [])
            if run.trigger == "schedule" and run.scheduled_for > op.ended_at
        ]
        if later:
            said = f"a pause was refused at {op.ended_at}, {len(later)} fire times came after that"
            yield Violation(promise="max_runs", said=said, at=op.ended_at, job_id=op.job_id)
