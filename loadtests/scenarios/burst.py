"""Burst: 20,000 one-shot jobs, all due at the same instant."""

import time
from datetime import UTC, datetime, timedelta

from loadtests.compare.figures import FLASK, GRAPHILE, Figure, Measured, cpu_figure, spread_figures
from loadtests.measures.cpu import cpu_by_role, per_thousand, used_between
from loadtests.measures.latency import Spread, spread_of
from loadtests.measures.system import System
from loadtests.scenarios.one_shots import Fired, create, fired, seconds_to_create, sleep_until
from loadtests.sink.process import SinkProcess

JOBS = 20_000
MARGIN = timedelta(seconds=15)
"""Between the last creation, as foreseen, and the instant."""
CPU_BEFORE = timedelta(seconds=10)
"""CPU counts from so long before the instant, claiming ahead included, until all is recorded."""
PATIENCE_SECONDS = 120.0
RECORD_SECONDS = 3.0
SAMPLE = 200
BAR, CPU_BAR = 9_300.0, 0.20
OTHERS_RATE = {FLASK: 463.0, GRAPHILE: 9_271.0}
OTHERS_CPU = {FLASK: 3.17, GRAPHILE: 0.13}


def measure(system: System, sink: SinkProcess) -> Measured:
    """Create the jobs, let them ring, and compare."""
    sink.reset()
    seconds = seconds_to_create(system, JOBS)
    due = datetime.now(UTC) + timedelta(seconds=1.5 * seconds) + MARGIN
    ids = create(system, sink, [due] * JOBS)
    sleep_until(due - CPU_BEFORE)
    before = cpu_by_role(system.pid, sink.pid)
    sleep_until(due)
    sink.wait_for(JOBS, seconds=PATIENCE_SECONDS, every=0.25)
    time.sleep(RECORD_SECONDS)
    used = used_between(before, cpu_by_role(system.pid, sink.pid))
    result = fired(sink.report(), [due] * JOBS)
    recorded, unfinished = recorded_lateness(system, ids[:: JOBS // SAMPLE])
    problems = result.problems("burst")
    if unfinished:
        problems.append(f"burst: {unfinished} of {SAMPLE} runs looked at had not succeeded once")
    cpu = per_thousand(used, JOBS)
    return Measured(
        figures=figures(result, recorded, due, cpu),
        problems=problems,
        cpu={"burst": cpu},
        details={"fired": result, "recorded_lateness": recorded},
    )


def recorded_lateness(system: System, job_ids: list[str]) -> tuple[Spread, int]:
    """Lateness as the runs themselves tell it, and how many jobs lack their one good run."""
    late, unfinished = [], 0
    for job_id in job_ids:
        runs = system.get(f"/jobs/{job_id}/runs")["items"]
        if [run["state"] for run in runs] == ["succeeded"]:
            late.append(float(runs[0]["lateness_ms"]))
        else:
            unfinished += 1
    return spread_of(late), unfinished


def figures(result: Fired, recorded: Spread, due: datetime, cpu: dict[str, float]) -> list[Figure]:
    """The scenario's lines."""
    arrived = JOBS - result.lost
    ringing = max(result.last_ns - result.first_ns, 1) / 1e9
    since_due = max(result.last_ns / 1e9 - due.timestamp(), 1e-9)
    return [
        Figure(
            "burst", "fires, due to last", arrived / since_due, "/s", BAR, "higher", OTHERS_RATE
        ),
        Figure("burst", "fires, first to last", arrived / ringing, "/s"),
        *spread_figures("burst", "lateness at the sink", result.lateness),
        *spread_figures("burst", "lateness as recorded", recorded),
        cpu_figure("burst", cpu, bar=CPU_BAR, others=OTHERS_CPU),
    ]
