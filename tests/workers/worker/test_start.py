"""Processes that fire start quickly: they import nothing that they do not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("starts_processes")

PAUSE_A_JOB = """
import asyncio, sys, threading
from datetime import UTC, datetime
from uuid import uuid4

from commands.firing.finish_attempts import EndedAttempt, finish_attempts
from domain.policies.retry import RetryPolicy
from domain.runs.run import Outcome
from storage.shards import Shards
from storage.urls import ShardUrls


class ByWhom:
    threads = set()

    def find_spec(self, name, *_):
        if name.partition(".")[0] == "sqlalchemy":
            self.threads.add(threading.current_thread())


async def main():
    now = datetime.now(UTC)
    gone = EndedAttempt(
        service_id=uuid4(), job_id=uuid4(), run_id=uuid4(), scheduled_for=now, held_by=uuid4(),
        number=1, first_started_at=None, started_at=now, finished_at=now, outcome=Outcome.FAILED,
        retry=RetryPolicy(), status_code=410, draw=1.0,
    )
    nowhere = ShardUrls(primary="postgresql://t@127.0.0.1:1/t", redis="redis://127.0.0.1:1/0")
    try:
        await finish_attempts([gone], Shards(nowhere).all()[0])
    except OSError:
        return


sys.meta_path.insert(0, ByWhom())
asyncio.run(main())
sys.exit(not ByWhom.threads or threading.main_thread() in ByWhom.threads)
"""


@pytest.mark.parametrize(
    "module",
    ["workers.dispatcher.process", "workers.worker.process", "workers.housekeeping.clock"],
)
def test_a_process_that_fires_does_without_sqlalchemy(module: str):
    look = f"import sys, {module}; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


def test_a_job_that_is_paused_holds_up_no_heartbeat_by_what_is_imported_for_it():
    done = subprocess.run([sys.executable, "-c", PAUSE_A_JOB], check=False)
    assert done.returncode == 0
