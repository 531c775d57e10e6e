"""Tocsin's processes, several of each kind, each with its own port, clock and bounds."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx

from app.embedded.ports import is_free
from tests.chaos.history import Complaint
from tests.clock_shift import COMPILER, ShiftedClock
from tests.processes import NO_TLS, System, TocsinProcess, wait_until

START_SECONDS = 180.0
"""Several seeds may start at once, on a machine that does other things, too."""
KINDS = ("api", "dispatcher", "worker", "clock")
COUNTS = {"api": 2, "dispatcher": 2, "worker": 2, "clock": 1}
GRACE_SECONDS = {"api": 35.0, "dispatcher": 15.0, "worker": 40.0, "clock": 5.0}
"""What each has to end in order, by the manifests of Kubernetes."""
BUSY_SECONDS = 10.0
"""Further ones, on a machine that does other things, too."""
DYING_SECONDS = 60.0
"""So long may it take to die of memory that was denied: a worker lets its attempts end."""


# Below those that other tests choose from, and that systems hand out to clients.
PORTS = range(10_000, 20_000)


def quiet_port() -> int:
    """A port that stays free while its process is away, as nobody else looks for one here."""
    chance = random.SystemRandom()
    while not is_free("127.0.0.1", port := chance.choice(PORTS)):
        pass
    return port


class Member:
    """One place of the crowd, which a process after the other takes.

    Attributes:
        stopped_by_us: Whether its end, or its standing still, is the harness's doing.
        fed_at: When the process that has its place was last denied no memory any more.
    """

    def __init__(self, kind: str, number: int, system: System, folder: Path) -> None:
        self.kind = kind
        self.name = f"{kind}-{number}"
        self.port = quiet_port()
        self.metrics_port = quiet_port()
        self.lock = threading.Lock()
        self.log = folder / f"{self.name}.log"
        self._system = system
        self._clock = ShiftedClock(folder / f"{self.name}.shift") if COMPILER else None
        self.extra: dict[str, str] = {}
        self.process: TocsinProcess | None = None
        self.stopped_by_us = False
        self.fed_at: float | None = None

    def start(self) -> None:
        """Start its process; return at once."""
        environment = {
            **self._system.environment,
            "TOCSIN_PORT": str(self.port),
            "TOCSIN_METRICS_PORT": str(self.metrics_port),
            **(self._clock.environment if self._clock else {}),
            **self.extra,
        }
        self.stopped_by_us = False
        self.fed_at = None
        self.process = TocsinProcess(self.kind, environment, self.log).start()

    @property
    def clock(self) -> ShiftedClock:
        """Its wall clock."""
        assert self._clock is not None
        return self._clock

    @property
    def has_clock(self) -> bool:
        """Whether its clock can be shifted."""
        return self._clock is not None

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.is_alive

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def may_be_dying(self) -> bool:
        """Whether it may still end of memory that it was denied."""
        return self.fed_at is not None and time.monotonic() - self.fed_at < DYING_SECONDS

    def end(self, number: signal.Signals) -> int:
        """End it, and say with what status."""
        assert self.process is not None
        self.stopped_by_us = True
        if number is signal.SIGKILL:
            self.process.kill()
            return -9
        return self.process.stop(GRACE_SECONDS[self.kind] + BUSY_SECONDS)


class Crowd:
    """All of them, on given servers."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.members = [
            Member(kind, number, system, folder) for kind in KINDS for number in range(COUNTS[kind])
        ]

    def start(self) -> None:
        """Start all, and wait until all work."""
        self.system.migrate()
        for member in self.members:
            member.start()
        for member in self.members:
            self.wait_ready(member)

    def wait_ready(self, member: Member) -> None:
        """Wait until a member serves."""
        wait_until(
            lambda: self._is_ready(member), seconds=START_SECONDS, what=f"{member.name} is ready"
        )

    def of(self, *kinds: str) -> list[Member]:
        """The members of these kinds."""
        return [member for member in self.members if member.kind in kinds]

    def apis(self) -> list[str]:
        """Where the API listens, at each of its processes."""
        return [f"http://127.0.0.1:{member.port}" for member in self.of("api")]

    def ended_by_themselves(self) -> Iterator[Complaint]:
        """Those that ended though nobody ended them; they are started anew."""
        for member in self.members:
            if not member.lock.acquire(blocking=False):
                continue  # something is done to it
            try:
                if member.process is None or member.is_alive or member.stopped_by_us:
                    continue
                status, is_explained = member.process.status, member.may_be_dying
                member.start()
            finally:
                member.lock.release()
            if is_explained:
                continue
            said = f"{member.name} ended by itself with status {status}"
            yield Complaint(promise="processes", at=datetime.now(UTC), said=said)

    def stop(self) -> None:
        """End all."""
        for member in self.members:
            if member.process is not None and member.is_alive:
                member.end(signal.SIGKILL)

    def _is_ready(self, member: Member) -> bool:
        assert member.process is not None
        if not member.is_alive:
            return True  # whoever watches finds out
        if member.kind != "api":
            return f"{member.kind}.started" in member.process.text
        try:
            url = f"http://127.0.0.1:{member.port}/health/ready"
            return httpx.get(url, timeout=2.0, verify=NO_TLS).status_code == 200
        except httpx.HTTPError:
            return False
