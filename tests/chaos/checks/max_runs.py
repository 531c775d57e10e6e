"""A job rings as often as its schedule says, not once more, and does not end before."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.eras import eras_of
from tests.chaos.history import History, Violation, grouped


def check(history: History) -> Iterator[Violation]:
    """Judge the jobs by their eras."""
    audit, runs = grouped(history.audit, "object_id"), history.runs_of()
    for job in history.jobs.values():
        eras = eras_of(job, history, audit.get(job.id, []), history.judged_to)
        for era in eras:
            most = era.schedule.get("max_runs")
            counted = sum(
                run.trigger == "schedule"
                and run.state != "skipped_overlap"
                and (era.after < run.scheduled_for <= era.to)
                for run in runs.get(job.id, [])
            )
            if most is not None and counted > most:
                said = f"{counted} runs count, {most} are all"
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
