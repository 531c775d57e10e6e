"""CPU time by part of the system, from the process tree below `tocsin up`."""

from collections.abc import Mapping
from pathlib import Path

import psutil

COMMANDS = {"api", "dispatcher", "worker", "clock"}
ROLES = ["api", "dispatcher", "worker", "clock", "primary", "replica", "valkey", "up"]
"""The parts of Tocsin; a Postgres includes its backends, `up` whatever has no other name."""

MACHINE = "machine"

Seconds = dict[str, float]


def cpu_by_role(up_pid: int, sink_pid: int | None = None) -> Seconds:
    """CPU seconds used so far by each part, with all processes that ever belonged to it.

    Beside them, the CPU seconds of the whole machine.
    """
    used: Seconds = {}
    roles: dict[int, str] = {}
    for process in family(up_pid):
        role = role_of(command_line(process), roles.get(parent_of(process), "up"))
        roles[process.pid] = role
        used[role] = used.get(role, 0.0) + cpu_of(process)
    if sink_pid is not None:
        used["sink"] = cpu_of(psutil.Process(sink_pid))
    used[MACHINE] = cpu_of_machine()
    return used


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it, parents before their children."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def role_of(arguments: list[str], inherited: str) -> str:
    """What a process does, by its arguments, or else what its parent does."""
    program = Path(arguments[0]).name if arguments else ""
    if program == "postgres":
        return "replica" if "replica" in " ".join(arguments) else "primary"
    if program.startswith("valkey"):
        return "valkey"
    return next((argument for argument in arguments[1:] if argument in COMMANDS), inherited)


def used_between(before: Mapping[str, float], after: Mapping[str, float], **more: float) -> Seconds:
    """CPU seconds by part between two readings.

    `elsewhere` is what the machine spent on anything else: much of it spoils the figures.
    """
    used = {role: max(after[role] - before.get(role, 0.0), 0.0) for role in after} | more
    machine = used.pop(MACHINE)
    used["elsewhere"] = max(machine - sum(used.values()), 0.0)
    return used


def per_thousand(used: Mapping[str, float], count: int) -> Seconds:
    """CPU seconds by part for 1,000 of what was counted."""
    return {role: seconds * 1_000 / max(count, 1) for role, seconds in used.items()}


def cpu_of_machine() -> float:
    """CPU seconds that the machine was busy, with those its host took away."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


def command_line(process: psutil.Process) -> list[str]:
    """A process's arguments; none when it is gone."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def parent_of(process: psutil.Process) -> int:
    """The id of a process's parent; 0 when it is gone."""
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process and of those children of it that have ended."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    ended = times.children_user + times.children_system
    return float(times.user + times.system + ended)
