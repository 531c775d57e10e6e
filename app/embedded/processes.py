"""Finding and ending server processes by what their own pid files say."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from app.embedded.errors import EmbeddedServerError


def is_alive(pid: int) -> bool:
    """Whether a process of this id exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_running(pid: int) -> bool:
    """The same, but for one that is dead, which its parent has not heard of yet."""
    return is_alive(pid) and command_line(pid) != [""]


def command_line(pid: int) -> list[str]:
    """The arguments that a live process was started with; empty if there is none."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        except OSError:
            return []
    listed = subprocess.run(  # noqa: S603 (a number is no injection)
        ("/bin/ps", "-ww", "-o", "command=", "-p", str(pid)),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return listed.stdout.strip().split(" ")


def read_pid(pid_file: Path) -> int | None:
    """The number on a pid file's first line, if the file is there and complete."""
    try:
        return int(pid_file.read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def wait_until_gone(pid: int, timeout: float) -> bool:
    """Wait, for at most `timeout` seconds, until a process that is not our child is gone."""
    deadline = time.monotonic() + timeout
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def end(pid: int, stop_signal: signal.Signals, *, grace: float) -> None:
    """Stop a process that is not our child; SIGKILL it when `grace` seconds were not enough."""
    for number, patience in ((stop_signal, grace), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            raise EmbeddedServerError(
                f"Process {pid} of an earlier run belongs to another user: end it first."
            ) from None
        if wait_until_gone(pid, patience):
            return
    raise EmbeddedServerError(f"Process {pid} of an earlier run does not end: end it first.")
