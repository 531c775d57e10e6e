"""How busy the machine is with what all who use it do: nobody is on time where nobody gets a turn.

Linux tells for which share of the time somebody waited for a processor; older ones, their load.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

BUSY = 75.0
"""Percent; a seed on a machine of its own stays below."""
_PRESSURE = Path("/proc/pressure/cpu")
_WAITED = re.compile(r"some avg10=([\d.]+)")


def cpu_pressure() -> float:
    """Percent of the last ten seconds or so in which somebody waited for a processor."""
    try:
        told = _WAITED.search(_PRESSURE.read_text())
    except OSError:
        told = None
    return of_load(os.getloadavg()[0], os.cpu_count() or 1) if told is None else float(told[1])


def of_load(load: float, cores: int) -> float:
    """Percent of those who want a processor that have to wait for one."""
    return max(0.0, 100.0 * (1 - cores / load)) if load > 0 else 0.0
