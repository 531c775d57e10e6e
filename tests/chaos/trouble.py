"""Makes faults one after the other, by chance, and writes down when."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from tests.chaos.faults import housekeeping, processes, servers
from tests.chaos.history import Complaint, Fault
from tests.chaos.scene import Scene

Make = Callable[[Scene, random.Random], str]
Kind = tuple[str, Make, int]

# Kind as the judge of lateness knows it, what is done, and how often in comparison.
OF_PROCESSES: tuple[Kind, ...] = (
    ("kill", processes.kill, 10),
    ("stop", processes.stop, 5),
    ("stop", processes.stop_in_claim, 3),
    ("term", processes.term, 4),
    ("memory", processes.starve, 2),
    ("clock", processes.shift_clock, 6),
    ("housekeeping", housekeeping.keep_house, 3),
)
OF_SERVERS: tuple[Kind, ...] = (
    ("valkey", servers.kill_valkey, 3),
    ("valkey", servers.stop_valkey, 2),
    ("valkey", servers.flush, 4),
    ("valkey", servers.damage_valkey, 2),
    ("postgres", servers.kill_primary, 3),
    ("postgres", servers.restart_primary, 2),
    ("postgres", servers.quit_primary, 1),
    ("postgres", servers.kill_replica, 2),
    ("connections", servers.take_connections, 2),
    ("disk", servers.fill_data, 2),
    ("disk", servers.fill_metrics, 2),
)


class Trouble:
    """A thread that makes faults of some kinds.

    Args:
        pause: Seconds between the end of one and the beginning of the next, on average.
        certain: Those to begin with, one of each.
    """

    def __init__(
        self,
        scene: Scene,
        kinds: Sequence[Kind],
        chance: random.Random,
        *,
        pause: float,
        certain: Sequence[Make] = (),
    ) -> None:
        self._scene = scene
        self._kinds = kinds
        self._chance = chance
        self._pause = pause
        self._certain = list(certain)
        self.faults: list[Fault] = []
        self.complaints: list[Complaint] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to make faults."""
        self._thread.start()

    def join(self) -> None:
        """Return when the fault under way is healed; the scene must be over."""
        self._thread.join(120)
        if self._thread.is_alive():
            self._complain("harness", "a fault is not healed within 120 s")

    def _run(self) -> None:
        while not self._scene.over.wait(self._chance.expovariate(1 / self._pause)):
            kind, make = self._next()
            begun_at = datetime.now(UTC)
            try:
                target = make(self._scene, self._chance)
            except servers.DoesNotComeBack as error:
                self._complain("servers", str(error))
                target = f"{error}"
            except Exception:  # noqa: BLE001 (the harness's own trouble is to be seen, too)
                self._complain("harness", traceback.format_exc())
                target = "the harness"
            self.faults.append(
                Fault(
                    kind=kind,
                    target=f"{make.__name__}: {target}",
                    begun_at=begun_at,
                    healed_at=datetime.now(UTC),
                )
            )

    def _next(self) -> tuple[str, Make]:
        if self._certain:
            make = self._certain.pop(0)
            return next(kind for kind, one, _ in self._kinds if one is make), make
        (chosen,) = self._chance.choices(self._kinds, [weight for _, _, weight in self._kinds])
        return chosen[0], chosen[1]

    def _complain(self, promise: str, said: str) -> None:
        self.complaints.append(Complaint(promise=promise, at=datetime.now(UTC), said=said))
