"""A process that is asked to end does so, whatever thread of it waits."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from app.ending import CUT_OFF
from tests.processes import CHECKOUT

pytestmark = pytest.mark.usefixtures("starts_processes")

PROGRAM = """
import asyncio, sys, threading
from app.ending import run_until_signal

waited_for = threading.Event()

async def work(stop):
    if {stuck}:
        asyncio.get_running_loop().run_in_executor(None, waited_for.wait)
    print("runs", flush=True)
    await stop.wait()

run_until_signal(work, seconds={seconds})
"""


@pytest.mark.parametrize(
    ("stuck", "seconds", "status"), [(True, 0.2, CUT_OFF), (False, 3_600.0, 0)]
)
def test_a_process_ends_in_time(stuck: bool, seconds: float, status: int) -> None:
    program = PROGRAM.format(stuck=stuck, seconds=seconds)
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == status
    assert ("process.cut_off" in said) == stuck


FAILS = """
import threading
from app.ending import run_until_signal

async def work(stop):
    threading.Thread(target=threading.Event().wait).start()
    raise ValueError("the work failed")

run_until_signal(work, seconds=3_600.0, failed_seconds=0.1)
"""


def test_a_process_whose_work_fails_ends_though_threads_go_on() -> None:
    """Found by chaos: a starved worker stood for a minute and failed each message that it took."""
    command = [sys.executable, "-c", FAILS]
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGALRM
    assert "ValueError" in done.stderr
