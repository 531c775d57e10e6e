"""Shapes of a simulated load: phases one after the other, each with its rate and its budget."""

from collections.abc import Callable
from itertools import accumulate

import msgspec
from msgspec.structs import replace

RATE = 200.0
"""Requests a second of all users together, unless another rate is asked for."""
SPIKE = 10
SPIKE_RATE = 120.0
SPIKE_SECONDS = 10
RECOVERY_SECONDS = 10
RAMP_STEP = 1.25
RAMP_SECONDS = 10
RAMP_STAGES = 20
SPAWNED_PER_SECOND = 500
SETTLING_SECONDS = 5
DRAIN_SECONDS = 3
WINDOW_SECONDS = 10
LEAST_SHARE = 0.9
"""A phase that gets less than this of its rate is not served."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What a phase must keep to; errors have no budget: there may be none, ever."""

    p95_ms: float
    p99_ms: float
    per_minute: float = 6_000.0
    """Answers, in every window of ten seconds."""

    def at(self, rate: float) -> "Budget":
        """The same where fewer are asked for: nobody can answer what was not asked.

        A request that is answered just beyond the end of its window is not missing.
        """
        asked = rate * LEAST_SHARE * 60 - 60 / WINDOW_SECONDS
        return replace(self, per_minute=min(self.per_minute, max(asked, 0.0)))


USUAL = Budget(p95_ms=100.0, p99_ms=250.0)
AT_THE_PEAK = Budget(p95_ms=2_000.0, p99_ms=3_000.0)


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a load; without a budget it is not judged, but for errors."""

    name: str
    seconds: int
    rate: float
    """Requests a second of all users together."""
    budget: Budget | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a shape; 0 leaves rate or seconds to the shape."""

    users: int
    rate: float = 0.0
    seconds: int = 0


def warm_up(asked: Asked, rate: float) -> Phase:
    """While users are made and caches fill."""
    return Phase(name="warm-up", seconds=spawning_seconds(asked) + SETTLING_SECONDS, rate=rate)


def spawning_seconds(asked: Asked) -> int:
    """How long it takes until all users are there."""
    return -(-asked.users // SPAWNED_PER_SECOND)


def steady(asked: Asked) -> list[Phase]:
    """The same rate all the time; for three quarters of a minute."""
    return _level("steady", asked, asked.seconds or 45)


def soak(asked: Asked) -> list[Phase]:
    """The same, for an hour."""
    return _level("soak", asked, asked.seconds or 3_600)


def spike(asked: Asked) -> list[Phase]:
    """Ten times the rate for ten seconds; ten seconds later all is as before."""
    rate, seconds = asked.rate or SPIKE_RATE, asked.seconds or 20
    peak = rate * SPIKE
    return [
        warm_up(asked, rate),
        Phase(name="before", seconds=seconds, rate=rate, budget=USUAL.at(rate)),
        Phase(name="spike", seconds=SPIKE_SECONDS, rate=peak, budget=AT_THE_PEAK.at(peak)),
        Phase(name="recovery", seconds=RECOVERY_SECONDS, rate=rate),
        Phase(name="after", seconds=seconds, rate=rate, budget=USUAL.at(rate)),
    ]


def ramp(asked: Asked) -> list[Phase]:
    """A quarter more every ten seconds; it ends at the first stage that breaks its budget."""
    rate, seconds = asked.rate or RATE, asked.seconds or RAMP_SECONDS
    stages = [rate * RAMP_STEP**n for n in range(RAMP_STAGES)]
    return [
        warm_up(asked, rate),
        *(
            Phase(name=f"{stage:.0f}/s", seconds=seconds, rate=stage, budget=USUAL.at(stage))
            for stage in stages
        ),
    ]


SHAPES: dict[str, Callable[[Asked], list[Phase]]] = {
    "steady": steady,
    "ramp": ramp,
    "spike": spike,
    "soak": soak,
}


def starts_of(phases: list[Phase]) -> list[int]:
    """Seconds from the start of the load to that of each phase."""
    return list(accumulate((phase.seconds for phase in phases[:-1]), initial=0))


def phase_at(phases: list[Phase], seconds: float) -> Phase | None:
    """The phase so many seconds after the start; None when all are over."""
    for phase in phases:
        if seconds < phase.seconds:
            return phase
        seconds -= phase.seconds
    return None


def rate_at(phases: list[Phase], seconds: float) -> float:
    """Requests a second; none when all phases are over."""
    phase = phase_at(phases, seconds)
    return 0.0 if phase is None else phase.rate


def _level(name: str, asked: Asked, seconds: int) -> list[Phase]:
    rate = asked.rate or RATE
    judged = Phase(name=name, seconds=seconds, rate=rate, budget=USUAL.at(rate))
    return [warm_up(asked, rate), judged]
