"""After the last fault: all is healed, jobs stop firing, and what is open comes to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from tests.chaos.history import Complaint, History
from tests.chaos.pressure import BUSY, cpu_pressure
from tests.chaos.scene import AWAY, Scene
from tests.chaos.service import Service
from tests.chaos.workload import Workload

CAUGHT_UP_SECONDS = 45.0
STILL_SECONDS = 60.0
MOST_SECONDS = 420.0
BAD_TARGETS = ("fail", "busy", "hang")

_LATE = "SELECT count(*) FROM jobs WHERE next_claim_at < clock_timestamp() - interval '2 seconds'"
_OPEN = "SELECT count(*) FROM runs WHERE open"
_ENDED = "SELECT count(*) FROM runs WHERE NOT open"


def settle(
    scene: Scene, services: Sequence[Service], loads: Sequence[Workload], history: History
) -> None:
    """Return when no run is open, or when nothing ends any more."""
    for member in scene.crowd.members:
        if member.has_clock:
            scene.crowd.wait_ready(member)
    if not _caught_up(scene):
        said = f"{_number(scene, _LATE)} jobs are not claimed, long after the last fault"
        history.complaints.append(Complaint(promise="ends", at=datetime.now(UTC), said=said))
    history.judged_to = datetime.now(UTC)
    for load in loads:
        load.settle()
    for service in services:
        _end_backfills(service)
        _end_what_waits_for_its_target(service)
    if not _came_to_rest(scene):
        history.too_busy = True
        said = f"the machine is too busy to judge: runs still end after {MOST_SECONDS:g} s;"
        said += f" somebody waits for a processor {cpu_pressure():.0f} % of the time"
        history.complaints.append(Complaint(promise="harness", at=datetime.now(UTC), said=said))


def _caught_up(scene: Scene) -> bool:
    """Whether nothing that is due is left, in a time that counts where there are processors."""
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        if _within(CAUGHT_UP_SECONDS, lambda: _number(scene, _LATE) == 0):
            return True
        if cpu_pressure() < BUSY:
            return False
    return False


def _end_backfills(service: Service) -> None:
    for job_id in service.jobs:
        for one in service.pages(f"/jobs/{job_id}/backfills", limit=100):
            if one["state"] == "running":
                path = f"/backfills/{one['id']}/cancel"
                service.call("cancel_backfill", "POST", path, job_id=job_id)


def _end_what_waits_for_its_target(service: Service) -> None:
    """Targets that fail are left alone for minutes: what waits for them is cancelled."""
    for job_id, job in service.jobs.items():
        if job.body["target"]["url"].split("/")[3] in BAD_TARGETS:
            body = {"job_id": job_id, "limit": 1_000}
            service.call("cancel_some", "POST", "/runs/cancel", json=body, key=str(uuid4()))


def _came_to_rest(scene: Scene) -> bool:
    """Whether no run is open, or nothing ends any more."""
    began = moved = time.monotonic()
    ended = -1
    while time.monotonic() < min(moved + STILL_SECONDS, began + MOST_SECONDS):
        if _number(scene, _OPEN) == 0:
            return True
        if (now := _number(scene, _ENDED)) != ended:
            ended, moved = now, time.monotonic()
        threading.Event().wait(0.5)
    return time.monotonic() >= moved + STILL_SECONDS


def _number(scene: Scene, statement: str) -> int:
    try:
        return int(scene.execute(statement)[0][0])
    except AWAY:
        return -1


def _within(seconds: float, condition: object) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        threading.Event().wait(0.5)
    return False
