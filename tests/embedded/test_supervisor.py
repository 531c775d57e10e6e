"""The supervisor keeps children running, shows what they say, and leaves none behind."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest

from app.up.child import Backoff, Child
from app.up.prefixed_output import PrefixedOutput
from app.up.supervised import VARIABLE, Lifeline
from app.up.supervisor import ChildFailedError, Supervisor, run_to_end

QUICK = Backoff(first=0.01, longest=0.02, settled_after=60.0)
FOREVER = "import time; print('up', flush=True); time.sleep(600)"
# Says when SIGTERM arrives, then goes on or ends.
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True));"
    "print('up', flush=True)\nwhile True: time.sleep(600)"
)
POLITE = (
    "import signal, sys, time\n"
    "def leave(*_): print('bye', flush=True); sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, leave); print('up', flush=True); time.sleep(600)"
)


class Stage:
    """A supervisor, and what its terminal shows."""

    def __init__(self, backoff: Backoff = QUICK) -> None:
        self._screen = io.StringIO()
        self.supervisor = Supervisor(PrefixedOutput(self._screen), backoff=backoff)

    @property
    def shown(self) -> str:
        return self._screen.getvalue()

    async def shows(self, pattern: str, times: int = 1) -> None:
        await eventually(lambda: len(re.findall(pattern, self.shown)) >= times, pattern)


@pytest.fixture
async def stage(starts_processes: None) -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    made.supervisor.kill()
    await made.supervisor.stop()


def child(program: str, name: str = "child", **rest: Any) -> Child:
    return Child(name=name, argv=(sys.executable, "-c", program), env=dict(os.environ), **rest)


async def eventually(condition: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (processes send no event)
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within 20 s: {what}") from None


def runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_lines_carry_the_name_of_their_child(stage: Stage) -> None:
    stage.supervisor.start(child("print('one'); print('two', end='', flush=True)", "bell"))
    await stage.shows(r"(?m)^bell       \| one\nbell       \| two$")


async def test_stderr_is_shown_too_and_lines_may_be_endless(stage: Stage) -> None:
    endless = "import sys; sys.stderr.write('x' * 300_000 + chr(10)); sys.stderr.flush()"
    stage.supervisor.start(child(endless))
    await stage.shows("exited with code 0")
    assert stage.shown.count("x") >= 300_000


async def test_chatter_is_not_shown(stage: Stage) -> None:
    says = "print('LOG: dull'); print('ERROR: news')"
    stage.supervisor.start(child(says, chatter=re.compile("LOG")))
    await stage.shows("news")
    assert "dull" not in stage.shown


async def test_a_killed_child_comes_back(stage: Stage) -> None:
    stage.supervisor.start(child(FOREVER))
    await stage.shows("up")
    killed = stage.supervisor.pids["child"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await stage.shows("was ended by SIGKILL; starting it again")
    await stage.shows("up", times=2)
    assert stage.supervisor.pids["child"] != killed


async def test_three_crashes_at_the_start_are_a_failure_that_tells_the_last_words(
    stage: Stage,
) -> None:
    stage.supervisor.start(child("import sys; print('no such table'); sys.exit(3)", "api"))
    async with asyncio.timeout(20):
        failure = await stage.supervisor.failure()
    assert re.search(r"(?s)api exited with code 3.*no such table", str(failure))


async def test_once_settled_no_number_of_crashes_is_a_failure(stage: Stage) -> None:
    stage.supervisor.settle()
    stage.supervisor.start(child("pass"))
    await stage.shows("starting it again", times=5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stage.supervisor.failure(), 0.01)


async def test_a_preparation_that_fails_counts_as_a_crash(stage: Stage) -> None:
    def fail() -> None:
        raise OSError("disk full")

    stage.supervisor.start(child(FOREVER, prepare=fail))
    async with asyncio.timeout(20):
        assert "disk full" in str(await stage.supervisor.failure())


async def test_a_program_that_is_not_there_counts_as_a_crash(stage: Stage) -> None:
    stage.supervisor.start(Child(name="ghost", argv=("/no/such/program",), env={}))
    async with asyncio.timeout(20):
        assert "could not be started" in str(await stage.supervisor.failure())


async def test_a_child_that_crashed_is_steady_only_after_it_ran_for_a_while(stage: Stage) -> None:
    stage.supervisor.start(child(FOREVER))
    await stage.shows("up")
    assert stage.supervisor.is_steady
    killed = stage.supervisor.pids["child"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await stage.shows("up", times=2)
    assert not stage.supervisor.is_steady
    await eventually(lambda: stage.supervisor.is_steady, "steady again")


async def test_replacing_a_child_is_no_crash(stage: Stage) -> None:
    stage.supervisor.start(child(FOREVER))
    await stage.shows("up")
    stage.supervisor.replace("child")
    await stage.shows("up", times=2)
    assert "starting it again" not in stage.shown


async def test_children_stop_in_reverse_order(stage: Stage) -> None:
    for name in ("first", "second", "third"):
        stage.supervisor.start(child(POLITE, name))
    await stage.shows("up", times=3)
    await stage.supervisor.stop()
    assert re.findall(r"(\w+) +\| bye", stage.shown) == ["third", "second", "first"]
    assert set(stage.supervisor.pids.values()) == {None}


async def test_what_others_work_with_is_stopped_after_them(stage: Stage) -> None:
    stage.supervisor.start(child(POLITE, "server", serves=True))
    stage.supervisor.start(child(POLITE, "client"))
    stage.supervisor.start(child(POLITE, "replica", serves=True))
    await stage.shows("up", times=3)
    await stage.supervisor.stop()
    assert re.findall(r"(\w+) +\| bye", stage.shown) == ["client", "replica", "server"]


async def test_a_child_that_does_not_stop_is_killed_after_its_grace_period(stage: Stage) -> None:
    stage.supervisor.start(child(STUBBORN, grace=0.2))
    await stage.shows("up")
    pid = stage.supervisor.pids["child"]
    await stage.supervisor.stop()
    assert pid is not None
    assert not runs(pid)
    assert "no" in stage.shown


async def test_what_a_child_started_ends_with_it(stage: Stage) -> None:
    parent = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]);"
        "print('pid', p.pid, flush=True); time.sleep(600)"
    )
    stage.supervisor.start(child(parent))
    await stage.shows(r"pid \d+")
    grandchild = int(re.findall(r"pid (\d+)", stage.shown)[0])
    await stage.supervisor.stop()
    await eventually(lambda: not runs(grandchild), "the grandchild is gone")


async def test_a_child_that_is_being_prepared_is_not_started_after_a_stop(stage: Stage) -> None:
    stage.supervisor.start(child("print('started')"))
    await stage.supervisor.stop()
    assert stage.supervisor.pids["child"] is None


def test_delays_grow_up_to_a_bound() -> None:
    delays = [Backoff(first=0.1, longest=10.0).delay(crashes) for crashes in (1, 2, 3, 9, 10**6)]
    assert delays == [0.1, 0.2, 0.4, 10.0, 10.0]


@pytest.mark.usefixtures("starts_processes")
async def test_a_child_that_ran_for_long_begins_anew_with_the_first_delay() -> None:
    stage = Stage(Backoff(first=0.01, longest=5.0, settled_after=0.0))
    stage.supervisor.settle()
    stage.supervisor.start(child("pass"))
    await stage.shows("again in 0.01 s", times=4)
    await stage.supervisor.stop()


@pytest.mark.usefixtures("starts_processes")
async def test_a_program_that_is_run_once_returns_what_it_printed() -> None:
    assert await run_to_end(child("print('key')"), timeout=20) == "key\n"


@pytest.mark.usefixtures("starts_processes")
async def test_a_program_that_is_run_once_and_fails_says_why() -> None:
    failing = child("import sys; sys.exit('no database')", "migrate")
    with pytest.raises(ChildFailedError, match=r"(?s)migrate exited with code 1.*no database"):
        await run_to_end(failing, timeout=20)


@pytest.mark.usefixtures("starts_processes")
async def test_a_program_that_is_run_once_has_a_time_limit() -> None:
    with pytest.raises(ChildFailedError, match=r"not done within 0\.2 s"):
        await run_to_end(child(FOREVER), timeout=0.2)


@pytest.mark.parametrize("program", [POLITE, STUBBORN.replace("print('no', flush=True)", "None")])
@pytest.mark.usefixtures("starts_processes")
def test_a_child_ends_when_its_supervisor_does(program: str) -> None:
    lifeline = Lifeline()
    begin = (
        "import app.up.supervised; app.up.supervised.GRACE_SECONDS = 0.3; "
        "app.up.supervised.exit_with_parent()\n"
    )
    orphan = subprocess.Popen(
        [sys.executable, "-c", begin + program],
        env={**os.environ, VARIABLE: str(lifeline.fileno())},
        pass_fds=[lifeline.fileno()],
        stdout=subprocess.PIPE,
    )
    assert orphan.stdout is not None
    assert orphan.stdout.readline() == b"up\n"
    assert orphan.poll() is None
    lifeline.close()
    assert orphan.wait(20) in {0, 1}
    orphan.stdout.close()
