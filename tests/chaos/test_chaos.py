"""The short form of `make chaos`: one seed, and a few faults that are certain to come."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.faults import processes, servers
from tests.chaos.report import story, summary
from tests.chaos.seed import Plan, run_seed

SHORT = Plan(
    seed=17,
    seconds=20.0,
    pauses=(0.5, 4.0),
    certain=(processes.kill, processes.stop_in_claim, servers.flush, servers.kill_primary),
)


@pytest.mark.promise(
    "one outcome",
    "accepted jobs",
    "accepted runs",
    "max_runs",
    "end of schedule",
    "statistics",
    "never early",
    "at least once",
    "fenced attempts",
    "no overlap",
    "order",
    "every run ends",
    "lateness",
)
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("starts_processes")
def test_every_instant_has_one_outcome(tmp_path: Path) -> None:
    judged = run_seed(SHORT, tmp_path)
    assert len(judged.history.faults) >= len(SHORT.certain)
    assert len(judged.history.deliveries) > 200
    assert not judged.violations, "\n".join(
        [*story(judged.history, judged.violations), summary(judged.history, [], judged.cores)]
    )
