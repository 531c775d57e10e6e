"""A job that fires each second, and what became of it while somebody else floods the system."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from tests.processes import CHECKOUT, TocsinProcess, wait_until

LATE_MS = 2_000
"""A run that is later counts as late; on a busy machine of two cores it is not one for less."""
_UNITS = {"Ki": 1, "Mi": 1_024, "Gi": 1_024 * 1_024}


class Neighbour:
    """A service that does nothing but fire one job each second."""

    def __init__(self, client: httpx.Client, sink_url: str) -> None:
        self._client = client
        body = {
            "name": "each second",
            "schedule": {"every": "PT1S"},
            "target": {"type": "http", "url": f"{sink_url}/ok"},
            "overlap": "allow_all",
        }
        made = client.post("/jobs", json=body)
        assert made.status_code == 201, made.text
        self.path = made.headers["location"]

    def runs(self) -> list[dict[str, Any]]:
        """Those that are over."""
        answer = self._client.get(
            f"{self.path}/runs", params={"state": "succeeded", "limit": 200, "order": "asc"}
        )
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def has_run(self, more: int) -> None:
        """Wait for so many further runs."""
        before = len(self.runs())
        wait_until(lambda: len(self.runs()) >= before + more, seconds=60, what="neighbour's runs")

    def lost_none(self) -> None:
        """Every fire time has its run, and none was late."""
        runs = self.runs()
        seconds = [run["scheduled_for"][:19] for run in runs]
        ledger = self._client.get(f"{self.path}/ledger", params={"limit": 200}).json()["items"]
        others = [one for one in ledger if one["outcome"] != "run"]
        assert others == []
        assert len(seconds) == len(set(seconds))
        assert [run["lateness_ms"] for run in runs if run["lateness_ms"] > LATE_MS] == []


def keeps_to_its_memory(process: TocsinProcess) -> None:
    """The most that a process took is less than its pod may have."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    manifest = (CHECKOUT / f"k8s/base/{process.name}.yaml").read_text()
    ((number, unit),) = re.findall(r"limits:.*?memory: (\d+)(Ki|Mi|Gi)", manifest, re.DOTALL)
    assert int(kilobytes) < int(number) * _UNITS[unit], f"{process.name}: {kilobytes} kB"
