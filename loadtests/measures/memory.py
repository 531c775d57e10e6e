"""Memory by part of the system, from the process tree below `tocsin up`."""

import psutil

from loadtests.measures.cpu import ROLES, command_line, family, parent_of, role_of

MEGABYTE = 1_000_000


def memory_by_role(up_pid: int) -> dict[str, float]:
    """Megabytes of the largest process of each part."""
    roles: dict[int, str] = {}
    largest: dict[str, float] = {}
    for process in family(up_pid):
        role = role_of(command_line(process), roles.get(parent_of(process), "up"))
        roles[process.pid] = role
        largest[role] = max(largest.get(role, 0.0), own_megabytes(process))
    return {role: largest[role] for role in ROLES if role in largest}


def own_megabytes(process: psutil.Process) -> float:
    """What a process allocated: neither its program nor a Postgres' shared buffers; 0 if it ended.

    Those belong to whoever touched them last, and are as large as they are set to be.
    """
    try:
        info = process.memory_info()
        if hasattr(info, "shared"):
            return float(info.rss - info.shared) / MEGABYTE
        return float(process.memory_full_info().uss) / MEGABYTE
    except psutil.Error:
        return 0.0
