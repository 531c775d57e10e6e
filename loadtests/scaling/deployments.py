"""The API and the workers through a day, second by second, with the pods that they are given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import msgspec

from loadtests.scaling.autoscaler import SYNC_SECONDS, Autoscaler, Behaviour
from loadtests.scaling.day import Minute

POD_SECONDS = 30
"""From a decision until the pod serves: scheduling, an image that is there, the process's start."""
SCRAPE_SECONDS = 15
RATE_SECONDS = 60
"""Of `rate(…[1m])`, and of the window over which CPU is taken."""
_NEVER_BUSIER = 0.999
MESSAGE_RUNS = 200
MAX_MESSAGES = 8


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds, as `make bench` measures them.

    Attributes:
        request: Of an API process, for a request of the mix.
        ring: Of a worker.
        api_asks_for: Cores, by which utilisation counts.
    """

    request: float
    ring: float
    api_asks_for: float


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Attributes:
    load: Requests or fires of this second.
    ready: Pods that serve.
    waits: Seconds that what came last has to wait.
    messages: That wait for a worker.
    """

    second: int
    load: float
    ready: int
    waits: float
    messages: float = 0.0


class Pods:
    """Those that serve: a new one after `POD_SECONDS`, one that is too many no longer at once."""

    def __init__(self, autoscaler: Autoscaler) -> None:
        self._autoscaler = autoscaler
        self._starting: deque[tuple[int, int]] = deque()
        self.ready = autoscaler.pods

    def at(self, now: int, ratios: Sequence[float]) -> int:
        """How many serve; every `SYNC_SECONDS` the autoscaler is asked."""
        if now % SYNC_SECONDS == 0:
            wanted = self._autoscaler.decide(now, ratios)
            underway = self.ready + sum(count for _, count in self._starting)
            if wanted > underway:
                self._starting.append((now + POD_SECONDS, wanted - underway))
            elif wanted < underway:
                self._starting.clear()
                self.ready = min(self.ready, wanted)
        while self._starting and self._starting[0][0] <= now:
            self.ready += self._starting.popleft()[1]
        return self.ready


def api_day(
    day: Sequence[Minute], costs: Costs, behaviour: Behaviour, *, cpu_percent: float, rate: float
) -> Iterator[Moment]:
    """The API, scaled by CPU of what it asks for and by requests a second of a pod."""
    pods = Pods(Autoscaler(behaviour))
    recent: deque[tuple[float, float]] = deque([(0.0, 0.0)], maxlen=RATE_SECONDS)
    waiting, seen = 0.0, (0.0, 0.0)
    for second in range(60 * len(day)):
        load = day[second // 60].requests / 60
        if second % SCRAPE_SECONDS == 0:
            seen = _means(recent)
        busy = 100 * seen[1] / costs.api_asks_for / pods.ready
        ready = pods.at(second, (busy / cpu_percent, seen[0] / rate / pods.ready))
        waiting, served = _serve(waiting + load, ready / costs.request)
        recent.append((served, served * costs.request))
        waits = waiting * costs.request / ready + _queueing(served / ready, costs.request)
        yield Moment(second=second, load=load, ready=ready, waits=waits)


def worker_day(
    day: Sequence[Minute], costs: Costs, behaviour: Behaviour, *, messages: float, oldest: float
) -> Iterator[Moment]:
    """Workers, scaled by waiting messages of a pod and by the age of the oldest due run."""
    pods = Pods(Autoscaler(behaviour))
    waiting, seen = 0.0, (0.0, 0.0)
    now = (0.0, 0.0)
    for second in range(60 * len(day)):
        minute = day[second // 60]
        load = minute.fires / 60 + (minute.at_once if second % 60 == 0 else 0)
        if second % SCRAPE_SECONDS == 0:
            seen = now
        ready = pods.at(second, (seen[0] / messages / pods.ready, seen[1] / oldest))
        waiting, _ = _serve(waiting + load, ready / costs.ring)
        waits = waiting * costs.ring / ready
        now = (min(waiting / MESSAGE_RUNS, MAX_MESSAGES), waits)
        yield Moment(second=second, load=load, ready=ready, waits=waits, messages=now[0])


def _queueing(rate: float, cost: float) -> float:
    """The mean wait of an M/D/1 queue: requests of a second do not come evenly."""
    busy = min(rate * cost, _NEVER_BUSIER)
    return busy * cost / (2 * (1 - busy))


def _serve(waiting: float, capacity: float) -> tuple[float, float]:
    served = min(waiting, capacity)
    return waiting - served, served


def _means(recent: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return (
        sum(one for one, _ in recent) / len(recent),
        sum(other for _, other in recent) / len(recent),
    )
