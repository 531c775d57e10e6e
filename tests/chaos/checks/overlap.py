"""Runs of a job whose policy forbids it do not ring together, and those that wait keep order."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.history import NO_OVERLAP, Delivery, History, Run, Violation

# The receiver's own event loop tells ends and beginnings apart no better.
SLACK = 0.1


def check(history: History) -> Iterator[Violation]:
    """Judge each job by what its target saw."""
    runs = {run.id: run for run in history.runs}
    abandoned = {(one.run_id, one.number) for one in history.attempts if one.outcome == "abandoned"}
    rings: dict[str, list[tuple[Delivery, Run]]] = {}
    for delivery in sorted(history.deliveries, key=lambda one: one.arrived):
        run = runs.get(delivery.webhook_id)
        if run is not None and run.overlap != "allow_all":
            rings.setdefault(run.job_id, []).append((delivery, run))
    for same in rings.values():
        # An attempt that was given up may ring on: nobody knows whether its worker is dead.
        sure = [one for one in same if (one[0].webhook_id, one[0].attempt) not in abandoned]
        yield from _together(sure)
        yield from _out_of_order(same)


def _together(rings: list[tuple[Delivery, Run]]) -> Iterator[Violation]:
    latest: tuple[Delivery, Run] | None = None
    for delivery, run in rings:
        if latest is not None and run.overlap in NO_OVERLAP and latest[1].id != run.id:
            together = latest[0].ended - delivery.arrived
            if together > SLACK:
                said = f"runs {latest[1].id} and {run.id} rang together for {together:.3f} s"
                yield _violation(said, delivery, run)
        if latest is None or delivery.ended > latest[0].ended:
            latest = (delivery, run)


def _out_of_order(rings: list[tuple[Delivery, Run]]) -> Iterator[Violation]:
    """The first rings of runs of the schedule that all wait come in the order of fire times."""
    seen: set[str] = set()
    before: Run | None = None
    for delivery, run in rings:
        if run.id in seen or run.trigger != "schedule" or run.overlap != "buffer_all":
            continue
        seen.add(run.id)
        if before is not None and run.scheduled_for < before.scheduled_for:
            said = f"run {run.id} of {run.scheduled_for} rang after that of {before.scheduled_for}"
            yield _violation(said, delivery, run)
        before = run


def _violation(said: str, delivery: Delivery, run: Run) -> Violation:
    return Violation(promise="overlap", said=said, at=delivery.arrived_at, job_id=run.job_id)
